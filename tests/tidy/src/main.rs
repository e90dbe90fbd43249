//! Commands of the checks: `words`, `cycles`, `names` and `counts`.
#![expect(clippy::disallowed_methods, reason = "the program prints its result")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use tidy::counts::{self, Finding};
use tidy::words::{self, Hit, Kind};
use tidy::{cycles, names, tree};

const USAGE: &str = "\
usage: tidy words [--crate NAME] [--kind user|inside|comments|names|tests] [--list]
       tidy names [--crate NAME]
       tidy cycles [--crate NAME]
       tidy counts [--write]

words   counts uses of the words of tests/tidy/words.tsv; --list (default with --crate) shows each
names   lists long test names, mod.rs files and crates without a description
cycles  lists files of a crate that import each other
counts  compares the numbers with tests/tidy/counts.tsv; --write stores them there
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (text, code) = match run(&arguments) {
        Ok(text) => (text, ExitCode::SUCCESS),
        Err(text) => (text, ExitCode::FAILURE),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // A reader that closes the pipe early has read enough.
        Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => code,
    }
}

#[derive(Debug)]
struct Options {
    /// `None` for all crates.
    only: Option<String>,
    kinds: Vec<Kind>,
    list: bool,
    write: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { only: None, kinds: Kind::ALL.to_vec(), list: false, write: false };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--crate" => options.only = Some(arguments.next().ok_or(USAGE)?.clone()),
                "--kind" => options.kinds = kinds_named(arguments.next().ok_or(USAGE)?)?,
                "--list" => options.list = true,
                "--write" => options.write = true,
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }

    fn covers(&self, area: &str) -> bool {
        self.only.as_deref().is_none_or(|it| it == area)
    }
}

fn kinds_named(name: &str) -> Result<Vec<Kind>, String> {
    if name == "inside" {
        return Ok(vec![Kind::Comment, Kind::Name, Kind::Test]);
    }
    let kind = Kind::ALL.into_iter().find(|it| it.name() == name).ok_or(USAGE)?;
    Ok(vec![kind])
}

fn run(arguments: &[String]) -> Result<String, String> {
    let Some((command, rest)) = arguments.split_first() else { return Err(USAGE.to_owned()) };
    let options = Options::parse(rest)?;
    if options.write {
        write_counts()?;
    }
    match command.as_str() {
        "words" => list_words(&options),
        "names" => {
            let found = names::findings(&tree::files(""));
            Ok(lines(found.iter().filter(|it| options.covers(&it.area)).map(|it| it.text.clone())))
        }
        "cycles" => {
            let found = cycles::search_tree()?;
            Ok(lines(found.iter().filter(|it| options.covers(&it.name)).map(cycles::Cycle::to_string)))
        }
        "counts" => {
            let committed = tree::file(counts::COUNTS).map(|it| it.text).unwrap_or_default();
            let offences = counts::offences(&counts::parse(&committed)?, &all_findings()?);
            let text = lines(offences.iter().cloned());
            if offences.is_empty() { Ok(text) } else { Err(text) }
        }
        _ => Err(USAGE.to_owned()),
    }
}

fn all_findings() -> Result<Vec<Finding>, String> {
    let files = tree::files("");
    let mut findings: Vec<Finding> = words::search_committed(&files)?.iter().map(Hit::finding).collect();
    findings.extend(names::findings(&files));
    Ok(findings)
}

fn write_counts() -> Result<(), String> {
    let path = tree::root().join(counts::COUNTS);
    std::fs::write(&path, counts::render(&counts::count(&all_findings()?)))
        .map_err(|cause| format!("failed to write {}: {cause}\n", path.display()))
}

fn lines(texts: impl Iterator<Item = String>) -> String {
    texts.map(|text| text + "\n").collect()
}

fn list_words(options: &Options) -> Result<String, String> {
    let mut hits = words::search_committed(&tree::files(""))?;
    hits.retain(|hit| options.kinds.contains(&hit.kind) && options.covers(words::area(&hit.path)));
    let is_listed = options.list || (options.only.is_some() && !options.write);
    let listed = if is_listed { lines(hits.iter().map(|hit| hit.finding().text)) } else { String::new() };
    Ok(listed + &summary(&hits))
}

/// A table of the counts per crate and kind.
fn summary(hits: &[Hit]) -> String {
    let mut rows: BTreeMap<&str, BTreeMap<Kind, usize>> = BTreeMap::new();
    let mut total: BTreeMap<Kind, usize> = BTreeMap::new();
    for hit in hits {
        *rows.entry(words::area(&hit.path)).or_default().entry(hit.kind).or_default() += 1;
        *total.entry(hit.kind).or_default() += 1;
    }
    let header: String = Kind::ALL.iter().map(|kind| format!("{kind:>10}")).collect();
    let mut text = format!("{:16}{header}     total\n", "");
    for (name, row) in rows.into_iter().chain([("total", total)]) {
        let count = |kind| row.get(&kind).copied().unwrap_or(0);
        let cells: String = Kind::ALL.into_iter().map(|kind| format!("{:>10}", count(kind))).collect();
        text.push_str(&format!("{name:16}{cells}{:>10}\n", row.values().sum::<usize>()));
    }
    text
}
