//! Markdown files: lengths, links, decision records, and claims of guarantees.

use std::path::Path;

use crate::tree::SourceFile;

/// A document and its permitted number of lines.
const LINES_MAX: &[(&str, usize)] = &[("README.md", 120), ("ARCHITECTURE.md", 250)];
const DECISION_LINES_MAX: usize = 62;
/// The lines of a decision record that hold its title, status and date.
const DECISION_HEAD_LINES: usize = 6;
/// The index of the decision records.
pub const DECISION_INDEX: &str = "docs/adr/README.md";
/// The index of all pages, runbooks among them.
pub const PAGE_INDEX: &str = "docs/README.md";
const DECISION_PARTS: &[&str] = &["## Context", "## Decision", "## Consequences", "## Rejected"];

/// The offences of one document that lies in the repository at `root`.
#[must_use]
pub fn offences(document: &SourceFile, root: &Path) -> Vec<String> {
    let mut offences = dead_links(document, root);
    let lines = document.text.lines().count();
    if let Some((_, lines_max)) = LINES_MAX.iter().find(|(path, _)| *path == document.path)
        && lines > *lines_max
    {
        offences.push(format!("{} has {lines} lines, at most {lines_max} are allowed", document.path));
    }
    if document.path.starts_with("docs/adr/") && document.path != DECISION_INDEX {
        offences.extend(decision_offences(document));
    }
    if document.path == "README.md" && claims_exactly_once(&document.text) {
        offences.push(
            "README.md has \"exactly once\" in a sentence without a link to docs/GUARANTEES.md".to_owned(),
        );
    }
    offences
}

/// `true` if a sentence contains "exactly once", in any spelling, without a link to the guarantees.
fn claims_exactly_once(text: &str) -> bool {
    let paragraphs: Vec<String> = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
    let sentences = paragraphs.iter().flat_map(|paragraph| paragraph.split(". "));
    sentences.filter(|sentence| !sentence.contains("](docs/GUARANTEES.md)")).any(|sentence| {
        let words: Vec<&str> =
            sentence.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty()).collect();
        words
            .windows(2)
            .any(|pair| pair[0].eq_ignore_ascii_case("exactly") && pair[1].eq_ignore_ascii_case("once"))
    })
}

fn decision_offences(document: &SourceFile) -> Vec<String> {
    let mut offences: Vec<String> = DECISION_PARTS
        .iter()
        .filter(|part| !document.text.lines().any(|line| line.trim_end() == **part))
        .map(|part| format!("{} lacks the heading {part:?}", document.path))
        .collect();
    let lines = document.text.lines().count();
    if lines > DECISION_LINES_MAX {
        offences
            .push(format!("{} has {lines} lines, at most {DECISION_LINES_MAX} are allowed", document.path));
    }
    let number = document.name().split('-').next().unwrap_or("");
    if number.len() != 3 || number.parse::<u16>().is_err() {
        offences.push(format!("{} is not named NNN-title.md", document.path));
    }
    offences
}

/// Offences of a decision record against the index: it has a status and a date, and the index links to it.
#[must_use]
pub fn index_offences(decision: &SourceFile, index: &SourceFile) -> Vec<String> {
    let value = |key: &str| {
        decision.text.lines().take(DECISION_HEAD_LINES).find_map(|line| line.strip_prefix(key)).map(str::trim)
    };
    let mut offences = Vec::new();
    if value("Status:").is_none_or(str::is_empty) {
        offences.push(format!("{} has no line \"Status: ...\" at its beginning", decision.path));
    }
    if !value("Date:").is_some_and(is_date) {
        offences.push(format!("{} has no line \"Date: YYYY-MM-DD\" at its beginning", decision.path));
    }
    offences.extend(unlisted(decision, index));
    offences
}

/// The offence of a page that the index of its folder, or of a folder above it, does not link to.
#[must_use]
pub fn unlisted(page: &SourceFile, index: &SourceFile) -> Option<String> {
    let folder = index.path.strip_suffix(index.name()).unwrap_or_default();
    let target = page.path.strip_prefix(folder).unwrap_or(&page.path);
    let is_listed = link_targets(&index.text).contains(&target);
    (!is_listed).then(|| format!("{} is not listed in {}", page.path, index.path))
}

fn is_date(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [4, 2, 2] && text.chars().all(|c| c.is_ascii_digit() || c == '-')
}

/// Links to files that do not exist. URLs and anchors of the same page are not checked.
fn dead_links(document: &SourceFile, root: &Path) -> Vec<String> {
    let folder = root.join(&document.path).parent().map(Path::to_owned).unwrap_or_default();
    link_targets(&document.text)
        .into_iter()
        .filter(|target| !target.contains(':') && !target.starts_with('#'))
        .filter_map(|target| {
            let path = target.split('#').next().unwrap_or(target);
            let exists = folder.join(path).exists() && !path.starts_with('/');
            (!exists).then(|| format!("{} links to {target}, which does not exist", document.path))
        })
        .collect()
}

/// The targets of `](target)` outside code.
fn link_targets(text: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second piece between backticks is code.
        for piece in line.split('`').step_by(2) {
            let links = piece.split("](").skip(1);
            targets.extend(links.filter_map(|link| link.split([')', ' ']).next()));
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::{claims_exactly_once, link_targets};

    #[test]
    fn claim_without_a_link_is_found() {
        assert!(claims_exactly_once("See [it](docs/GUARANTEES.md).\n\nExactly-\nonce."));
        assert!(claims_exactly_once("See [it](docs/GUARANTEES.md). Exactly\nonce."));
        assert!(!claims_exactly_once("Exactly once, [shown](docs/GUARANTEES.md).\n\nOnce."));
    }

    #[test]
    fn links_in_code_are_skipped() {
        let text = "[a](b.md) `[c](d.md)` and [e](f.md#g \"title\")\n```\n[h](i.md)\n```\n";
        assert_eq!(link_targets(text), ["b.md", "f.md#g"]);
    }
}
