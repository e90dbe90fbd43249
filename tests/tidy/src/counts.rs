//! Findings that are counted per crate, with committed counts (`counts.tsv`) that may only fall.

use std::collections::BTreeMap;

/// The committed counts, from the repository's root.
pub const COUNTS: &str = "tests/tidy/counts.tsv";

const HEADER: &str = "# Findings of tests/tidy per crate (or top-level area) and kind. The counts may only fall.\n\
    # Lower them with: cargo run -q -p tidy -- counts --write\n";

/// Something that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The crate, or the area outside of crates.
    pub area: String,
    /// The name of its kind in the committed counts.
    pub kind: String,
    /// Its place and what it is, in one line.
    pub text: String,
}

/// Counts per crate and kind.
pub type Counts = BTreeMap<(String, String), usize>;

/// Counts the findings.
#[must_use]
pub fn count(findings: &[Finding]) -> Counts {
    let mut counts = Counts::new();
    for finding in findings {
        *counts.entry((finding.area.clone(), finding.kind.clone())).or_default() += 1;
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
        let [area, kind, count] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(format!("{line:?} is no count"));
        };
        let count = count.parse().map_err(|_| format!("{line:?} is no count"))?;
        counts.insert((area.to_owned(), kind.to_owned()), count);
    }
    Ok(counts)
}

/// The text of the committed file. A blank line between crates keeps changes of two crates apart in a merge.
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

/// One offence for each count above the committed one, with its findings, and for each below it.
#[must_use]
pub fn offences(committed: &Counts, findings: &[Finding]) -> Vec<String> {
    let counts = count(findings);
    let mut keys: Vec<_> = committed.keys().chain(counts.keys()).collect();
    keys.sort();
    keys.dedup();
    let mut offences = Vec::new();
    for key @ (area, kind) in keys {
        let limit = committed.get(key).copied().unwrap_or(0);
        let count = counts.get(key).copied().unwrap_or(0);
        if count > limit {
            let listed: Vec<&str> = findings
                .iter()
                .filter(|it| it.area == *area && it.kind == *kind)
                .map(|it| it.text.as_str())
                .collect();
            offences.push(format!("{area} {kind}: {count}, at most {limit}:\n{}", listed.join("\n")));
        } else if count < limit {
            offences.push(format!(
                "{area} {kind}: {count}, {limit} are committed: lower it with `cargo run -p tidy -- counts --write`"
            ));
        }
    }
    offences
}
