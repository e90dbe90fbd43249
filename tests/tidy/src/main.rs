//! Commands of the checks: `cargo run -q -p tidy -- words`.

use std::io::Write as _;
use std::process::ExitCode;

use tidy::cycles;
use tidy::words::{self, Counts, Hit, Kind, counts};

const USAGE: &str =
    "usage: tidy words [--crate NAME] [--kind user|inside|comments|names|tests] [--list] [--write]\n";

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

fn run(arguments: &[String]) -> Result<String, String> {
    let Some((command, rest)) = arguments.split_first() else { return Err(USAGE.to_owned()) };
    match command.as_str() {
        "words" => words_command(rest),
        "cycles" if rest.is_empty() => {
            Ok(cycles::search_tree()?.iter().map(|cycle| format!("{cycle}\n")).collect())
        }
        _ => Err(USAGE.to_owned()),
    }
}

fn words_command(arguments: &[String]) -> Result<String, String> {
    let (mut only, mut kinds, mut list, mut write) = (None, Kind::ALL.to_vec(), false, false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--crate" => only = Some(arguments.next().ok_or(USAGE)?.clone()),
            "--kind" => kinds = kinds_named(arguments.next().ok_or(USAGE)?)?,
            "--list" => list = true,
            "--write" => write = true,
            _ => return Err(USAGE.to_owned()),
        }
    }
    let mut hits = words::search_tree()?;
    if write {
        let path = words::root_path(words::COUNTS);
        std::fs::write(&path, counts::render(&words::count(&hits)))
            .map_err(|cause| format!("cannot write {}: {cause}\n", path.display()))?;
    }
    hits.retain(|hit| {
        kinds.contains(&hit.kind) && only.as_deref().is_none_or(|it| it == words::area(&hit.path))
    });
    let mut text = if list || (only.is_some() && !write) { listed(&hits) } else { String::new() };
    text.push_str(&summary(&words::count(&hits)));
    Ok(text)
}

fn kinds_named(name: &str) -> Result<Vec<Kind>, String> {
    if name == "inside" {
        return Ok(vec![Kind::Comment, Kind::Name, Kind::Test]);
    }
    let kind = Kind::ALL.into_iter().find(|it| it.name() == name).ok_or(USAGE)?;
    Ok(vec![kind])
}

fn listed(hits: &[Hit]) -> String {
    hits.iter().map(|hit| counts::line(hit) + "\n").collect()
}

fn summary(counts: &Counts) -> String {
    let mut areas: Vec<&str> = counts.keys().map(|(area, _)| area.as_str()).collect();
    areas.dedup();
    let mut text = format!("{:16}", "");
    for kind in Kind::ALL {
        text.push_str(&format!("{kind:>10}"));
    }
    text.push_str("     total\n");
    let mut row = |name: &str, count: &dyn Fn(Kind) -> usize| {
        text.push_str(&format!("{name:16}"));
        for kind in Kind::ALL {
            text.push_str(&format!("{:>10}", count(kind)));
        }
        text.push_str(&format!("{:>10}\n", Kind::ALL.into_iter().map(count).sum::<usize>()));
    };
    for area in areas {
        row(area, &|kind| counts.get(&(area.to_owned(), kind)).copied().unwrap_or(0));
    }
    row("total", &|kind| counts.iter().filter(|((_, it), _)| *it == kind).map(|(_, count)| count).sum());
    text
}
