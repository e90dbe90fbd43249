//! The pieces of files that are not Rust: pages, deployment files, scripts and manifests.

use super::contracts::Contracts;
use super::kinds::{Kind, Piece, area};
use super::tokens;
use crate::tree::SourceFile;

const OLD_NAMES: &str = "<!-- old names -->";
const END_OF_OLD_NAMES: &str = "<!-- /old names -->";
/// Pages with tables of old and new names.
const PAGES_WITH_OLD_NAMES: &[&str] = &["docs/glossary.md", "docs/upgrade.md"];
/// Titles of the columns of old names in these tables.
const OLD_NAMES_TITLES: &[&str] = &["replaces", "instead of", "old", "old name"];

/// Endings of data: files that no reader reads as text.
const DATA: &[&str] = &[".json", ".csv", ".lock", ".sum", ".proptest-regressions", ".xml", ".avsc", ".tsv"];
const SCRIPTS: &[(&str, &str)] = &[
    (".py", "#"),
    (".sh", "#"),
    (".toml", "#"),
    (".yaml", "#"),
    (".yml", "#"),
    (".go", "//"),
    (".java", "//"),
    (".c", "//"),
];

/// The pieces of one file.
#[must_use]
pub fn pieces(file: &SourceFile, contracts: &Contracts) -> Vec<Piece> {
    let is_deployed = area(&file.path) == "deploy";
    if DATA.iter().any(|ending| file.path.ends_with(ending)) && !(is_deployed && file.path.ends_with(".json"))
    {
        return Vec::new();
    }
    let is_config = file.path.ends_with(".toml") && file.path.contains("/config/");
    if is_deployed || is_config || file.path.ends_with(".md") {
        return page(file, contracts);
    }
    let marker = SCRIPTS.iter().find(|(ending, _)| file.path.ends_with(ending)).map_or("#", |(_, it)| it);
    script(file, marker, contracts)
}

/// The paragraphs of a page that users read.
fn page(file: &SourceFile, contracts: &Contracts) -> Vec<Piece> {
    let mut paragraphs: Vec<(String, usize)> = Vec::new();
    let (mut is_open, mut is_old) = (false, false);
    let mut old_columns: Vec<usize> = Vec::new();
    let has_old_names = PAGES_WITH_OLD_NAMES.contains(&file.path.as_str());
    for (index, line) in file.text.lines().enumerate() {
        is_old = (is_old || line.contains(OLD_NAMES)) && !line.contains(END_OF_OLD_NAMES);
        let words = line.trim();
        let begins = ["#", "|", "- ", "* ", "```"].iter().any(|it| words.starts_with(it));
        if words.is_empty() || is_old {
            is_open = false;
            old_columns.clear();
            continue;
        }
        let mut shown = without_link_targets(words);
        if has_old_names {
            shown = without_old_names(&shown, &mut old_columns);
        }
        match paragraphs.last_mut() {
            Some((paragraph, _)) if is_open && (!begins || is_comment(words)) => {
                paragraph.push('\n');
                paragraph.push_str(&shown);
            }
            _ => paragraphs.push((shown, index + 1)),
        }
        is_open = true;
    }
    let piece = |(text, line): &(String, usize)| Piece {
        kind: Kind::User,
        is_doc: false,
        tokens: tokens::tokens(text, *line, contracts),
    };
    paragraphs.iter().map(piece).collect()
}

/// A line without its cells in columns of old names. `columns` holds those of the current table.
fn without_old_names(line: &str, columns: &mut Vec<usize>) -> String {
    if !line.starts_with('|') {
        columns.clear();
        return line.to_owned();
    }
    let cells: Vec<&str> = line.split('|').collect();
    let titled = cells.iter().enumerate().filter(|(_, cell)| OLD_NAMES_TITLES.contains(&cell.trim()));
    let titled: Vec<usize> = titled.map(|(column, _)| column).collect();
    if !titled.is_empty() {
        *columns = titled;
    }
    let kept = cells.iter().enumerate().filter(|(column, _)| !columns.contains(column));
    kept.map(|(_, cell)| *cell).collect::<Vec<_>>().join("|")
}

/// A comment line of YAML or a script, which continues the line before.
fn is_comment(line: &str) -> bool {
    line.starts_with("# ")
}

/// A line without the targets of its links: the name of a file counts once, as a name.
fn without_link_targets(line: &str) -> String {
    let mut pieces = line.split("](");
    let mut kept = pieces.next().unwrap_or("").to_owned();
    for piece in pieces {
        kept.push_str("]()");
        kept.push_str(piece.split_once(')').map_or("", |(_, after)| after));
    }
    kept
}

/// Comments in paragraphs, and the lines of code; in a manifest, the description is for users.
fn script(file: &SourceFile, marker: &str, contracts: &Contracts) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut is_open = false;
    for (index, line) in file.text.lines().enumerate() {
        let (code, comment) = split_comment(line, marker);
        let line = index + 1;
        if let Some(comment) = comment.filter(|it| !it.trim().is_empty()) {
            let words = tokens::tokens(comment, line, contracts);
            match pieces.last_mut() {
                Some(last) if is_open && code.trim().is_empty() => last.tokens.extend(words),
                _ => pieces.push(Piece { kind: Kind::Comment, is_doc: false, tokens: words }),
            }
            is_open = true;
        } else {
            is_open = false;
        }
        if !code.trim().is_empty() {
            let is_description = file.path.ends_with("Cargo.toml") && code.starts_with("description");
            let kind = if is_description { Kind::User } else { Kind::Test };
            let piece = Piece { kind, is_doc: false, tokens: tokens::tokens(code, line, contracts) };
            let at = if is_open { pieces.len() - 1 } else { pieces.len() };
            pieces.insert(at, piece);
        }
    }
    pieces
}

/// A line of code and its comment. A marker after a quote that is open belongs to the code.
fn split_comment<'a>(line: &'a str, marker: &str) -> (&'a str, Option<&'a str>) {
    let starts = line.match_indices(marker).map(|(at, _)| at);
    let is_comment = |at: &usize| {
        let before = &line[..*at];
        before.matches('"').count().is_multiple_of(2)
            && before.matches('\'').count().is_multiple_of(2)
            && before.chars().next_back().is_none_or(char::is_whitespace)
    };
    match starts.into_iter().find(is_comment) {
        Some(at) => (&line[..at], Some(&line[at + marker.len()..])),
        None => (line, None),
    }
}
