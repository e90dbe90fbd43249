//! The committed counts (`word-counts.tsv`): they may only fall.

use std::collections::BTreeMap;

use super::place::{Kind, area};
use super::search::Hit;

/// Counts per crate (or top-level area) and kind.
pub type Counts = BTreeMap<(String, Kind), usize>;

const HEADER: &str = "# Uses of the words of words.tsv per crate and kind of place. They may only fall.\n\
    # Lower them with: cargo run -q -p tidy -- words --write\n";

/// Counts of the hits.
#[must_use]
pub fn count(hits: &[Hit]) -> Counts {
    let mut counts = Counts::new();
    for hit in hits {
        *counts.entry((area(&hit.path).to_owned(), hit.kind)).or_default() += 1;
    }
    counts
}

/// Parses the committed counts.
///
/// # Errors
/// The first line that is no count.
pub fn parse(text: &str) -> Result<Counts, String> {
    let mut counts = Counts::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let row = match line.split('\t').collect::<Vec<_>>()[..] {
            [area, kind, count] => Kind::ALL
                .into_iter()
                .find(|it| it.name() == kind)
                .zip(count.parse().ok())
                .map(|(kind, count)| ((area.to_owned(), kind), count)),
            _ => None,
        };
        let (key, count) = row.ok_or_else(|| format!("{line:?} is no count"))?;
        counts.insert(key, count);
    }
    Ok(counts)
}

/// The text of the committed file. A blank line between crates keeps changes of two crates apart.
#[must_use]
pub fn render(counts: &Counts) -> String {
    let mut text = HEADER.to_owned();
    let mut last = "";
    for ((area, kind), count) in counts {
        if area != last {
            text.push('\n');
            last = area;
        }
        text.push_str(&format!("{area}\t{kind}\t{count}\n"));
    }
    text
}

/// One offence for each count above the committed one, with its hits, and for each below it.
#[must_use]
pub fn offences(committed: &Counts, counts: &Counts, hits: &[Hit]) -> Vec<String> {
    let mut offences = Vec::new();
    let mut keys: Vec<_> = committed.keys().chain(counts.keys()).collect();
    keys.sort();
    keys.dedup();
    for key @ (name, kind) in keys {
        let (limit, count) =
            (committed.get(key).copied().unwrap_or(0), counts.get(key).copied().unwrap_or(0));
        if count > limit {
            let found = hits.iter().filter(|hit| hit.kind == *kind && area(&hit.path) == name);
            let listed: Vec<String> = found.map(line).collect();
            offences.push(format!("{name} {kind}: {count} hits, at most {limit}:\n{}", listed.join("\n")));
        } else if count < limit {
            offences.push(format!(
                "{name} {kind}: {count} hits, {limit} committed: lower it with `cargo run -p tidy -- words --write`"
            ));
        }
    }
    offences
}

/// A hit in one line.
#[must_use]
pub fn line(hit: &Hit) -> String {
    format!("{}:{}\t{}\t{}\t-> {}", hit.path, hit.line, hit.kind, hit.words, hit.replacement)
}
