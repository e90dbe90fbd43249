//! The patterns over the pieces of files.

use super::contracts::Contracts;
use super::exceptions::Exceptions;
use super::kinds::{Kind, Piece, area};
use super::patterns::{Context, Patterns};
use super::tokens::{self, Token};
use super::{rust, text};
use crate::counts::Finding;
use crate::tree::SourceFile;

/// A use of a word or phrase of the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// From the repository's root.
    pub path: String,
    /// Counted from 1; 1 for a file name.
    pub line: usize,
    /// The kind of the text.
    pub kind: Kind,
    /// The matched words.
    pub words: String,
    /// The words to use instead.
    pub replacement: String,
}

impl Hit {
    /// The hit as a finding that is counted.
    #[must_use]
    pub fn finding(&self) -> Finding {
        let Self { path, line, kind, words, replacement } = self;
        Finding {
            area: area(path).to_owned(),
            kind: kind.name().to_owned(),
            text: format!("{path}:{line}\t{kind}\t{words}\t-> {replacement}"),
        }
    }
}

/// All hits in these files, sorted by path and line.
///
/// # Errors
/// A Rust file that cannot be parsed.
pub fn search(
    files: &[SourceFile],
    patterns: &Patterns,
    exceptions: &Exceptions,
) -> Result<Vec<Hit>, String> {
    let test_files = rust::test_modules(files)?;
    let mut hits = Vec::new();
    for file in files.iter().filter(|file| !exceptions.covers_path(&file.path)) {
        let contracts = exceptions.contracts(&file.path);
        let mut pieces = if file.path.ends_with(".rs") {
            rust::pieces(file, test_files.contains(&file.path), &contracts)?
        } else {
            text::pieces(file, &contracts)
        };
        pieces.extend(file_name(&file.path, &contracts));
        for piece in &pieces {
            hits_of_piece(file, piece, patterns, exceptions, &mut hits);
        }
    }
    hits.sort();
    Ok(hits)
}

/// The name of a file without its ending, or of its folder for `mod.rs`, `lib.rs` and `main.rs`.
fn file_name(path: &str, contracts: &Contracts) -> Option<Piece> {
    let mut parts = path.rsplit('/');
    let name = parts.next()?;
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let stem = if matches!(stem, "mod" | "lib" | "main") { parts.next()? } else { stem };
    let tokens = tokens::tokens(stem, 1, contracts);
    (!contracts.has_identifier(stem)).then_some(Piece { kind: Kind::Name, is_doc: false, tokens })
}

fn hits_of_piece(
    file: &SourceFile,
    piece: &Piece,
    patterns: &Patterns,
    exceptions: &Exceptions,
    hits: &mut Vec<Hit>,
) {
    let context = Context { area: area(&file.path), is_doc: piece.is_doc, is_name: piece.kind == Kind::Name };
    let mut at = 0;
    while at < piece.tokens.len() {
        let Some((pattern, length)) = patterns.best_match(&piece.tokens, at, &context) else {
            at += 1;
            continue;
        };
        let matched = &piece.tokens[at..at + length];
        at += length;
        let Some(replacement) = &pattern.replacement else { continue };
        if exceptions.covers_words(&file.path, matched) {
            continue;
        }
        hits.push(Hit {
            path: file.path.clone(),
            line: matched[0].line,
            kind: piece.kind,
            words: joined(matched),
            replacement: replacement.clone(),
        });
    }
}

fn joined(tokens: &[Token]) -> String {
    let words: Vec<&str> = tokens.iter().map(|it| it.word.as_str()).collect();
    words.join(" ")
}
