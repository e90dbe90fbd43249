//! Rules about Markdown: lengths, links, decision records, and words that need a guarantee behind them.

use std::path::Path;

use crate::tree::SourceFile;

/// A document and its longest allowed length in lines.
const LENGTHS: &[(&str, usize)] = &[("README.md", 120), ("ARCHITECTURE.md", 250)];
const LONGEST_DECISION: usize = 60;
const DECISION_FIELDS: &[&str] = &["- Status: ", "- Date: "];
const DECISION_PARTS: &[&str] = &["## Context", "## Decision", "## Consequences", "## Rejected"];

/// The offences of one document that lies in the repository at `root`.
#[must_use]
pub fn offences(document: &SourceFile, root: &Path) -> Vec<String> {
    let mut offences = dead_links(document, root);
    let lines = document.text.lines().count();
    if let Some((_, longest)) = LENGTHS.iter().find(|(path, _)| *path == document.path)
        && lines > *longest
    {
        offences.push(format!("{} has {lines} lines, at most {longest} are allowed", document.path));
    }
    if document.path.starts_with("docs/adr/") && document.name() != "README.md" {
        offences.extend(decision_offences(document));
    }
    if document.path == "README.md" && promises_too_much(&document.text) {
        offences.push(
            "README.md says \"exactly once\" in a sentence without a link to the guarantee page".to_owned(),
        );
    }
    offences
}

/// The words behind which a row and a test have to stand, however they are spaced or broken over lines, where nothing leads there.
fn promises_too_much(text: &str) -> bool {
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
    let lacks = |field: &&&str| !document.text.lines().take(5).any(|line| line.starts_with(**field));
    let fields = DECISION_FIELDS.iter().filter(lacks);
    offences
        .extend(fields.map(|field| format!("{} lacks the line {field:?} after its title", document.path)));
    let lines = document.text.lines().count();
    if lines > LONGEST_DECISION {
        offences.push(format!("{} has {lines} lines, at most {LONGEST_DECISION} are allowed", document.path));
    }
    let number = document.name().split('-').next().unwrap_or("");
    if number.len() != 3 || number.parse::<u16>().is_err() {
        offences.push(format!("{} is not named NNN-title.md", document.path));
    }
    offences
}

/// Links to files that don't exist. Addresses and anchors of the same page are none of ours.
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

/// What stands in `](here)`, outside code.
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
    use super::{link_targets, promises_too_much};

    #[test]
    fn a_promise_leads_to_what_shows_it() {
        assert!(promises_too_much("See [it](docs/GUARANTEES.md).\n\nExactly-\nonce."));
        assert!(promises_too_much("See [it](docs/GUARANTEES.md). Exactly\nonce."));
        assert!(!promises_too_much("Exactly once, [shown](docs/GUARANTEES.md).\n\nOnce."));
    }

    #[test]
    fn a_link_in_code_is_no_link() {
        let text = "[a](b.md) `[c](d.md)` and [e](f.md#g \"title\")\n```\n[h](i.md)\n```\n";
        assert_eq!(link_targets(text), ["b.md", "f.md#g"]);
    }
}
