//! The pieces of a Rust file: comments, string literals, log fields and declared names.

use std::collections::BTreeSet;

use super::contracts::Contracts;
use super::kinds::{Kind, Piece, area};
use super::tokens;
use crate::sources::is_test_file;
use crate::tree::SourceFile;

mod comments;
mod literals;
pub(crate) mod names;

/// Crates whose literals only tests and developers read.
const TEST_CRATES: &[&str] = &["testkit", "tidy", "integration", "chaos", "bench"];

fn contains(ranges: &[(usize, usize)], line: usize) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&line))
}

fn parse(file: &SourceFile) -> Result<syn::File, String> {
    syn::parse_file(&file.text)
        .map_err(|cause| format!("{}:{}: cannot be parsed: {cause}", file.path, cause.span().start().line))
}

/// The files of modules that are declared under `#[cfg(test)]`.
///
/// # Errors
/// A file that cannot be parsed.
pub fn test_modules(files: &[SourceFile]) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    for file in files.iter().filter(|it| it.path.ends_with(".rs") && it.text.contains("#[cfg(test)]")) {
        let folder = module_folder(&file.path);
        for item in parse(file)?.items {
            if let syn::Item::Mod(module) = item
                && module.content.is_none()
                && names::is_test(&module.attrs)
            {
                found.insert(format!("{folder}/{}.rs", module.ident));
                found.insert(format!("{folder}/{}/mod.rs", module.ident));
            }
        }
    }
    Ok(found)
}

/// The folder of a file's child modules.
fn module_folder(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    }
}

/// The pieces of one file.
///
/// # Errors
/// A file that cannot be parsed.
pub fn pieces(file: &SourceFile, is_test_module: bool, contracts: &Contracts) -> Result<Vec<Piece>, String> {
    let parsed = parse(file)?;
    let is_test = is_test_module || is_test_file(file) || TEST_CRATES.contains(&area(&file.path));
    let (names, regions) = names::read(&parsed);
    let mut pieces: Vec<Piece> = names
        .into_iter()
        .filter(|(name, _)| !contracts.has_identifier(name))
        .map(|(name, line)| Piece {
            kind: Kind::Name,
            is_doc: false,
            tokens: tokens::tokens(&name, line, contracts),
        })
        .collect();
    for comment in comments::read(&file.text) {
        let is_help = comment.is_doc && contains(&regions.clap, comment.line);
        let kind = if is_help { Kind::User } else { Kind::Comment };
        let tokens = tokens::tokens(&comment.text, comment.line, contracts);
        pieces.push(Piece { kind, is_doc: comment.is_doc && comment.is_first, tokens });
    }
    for literal in literals::read(&file.text)? {
        let kind = match literal.kind {
            literals::LiteralKind::Reason => Kind::Comment,
            literals::LiteralKind::Text if is_test || contains(&regions.tests, literal.line) => Kind::Test,
            literals::LiteralKind::Text => Kind::User,
        };
        let tokens = tokens::tokens(&literal.text, literal.line, contracts);
        pieces.push(Piece { kind, is_doc: false, tokens });
    }
    Ok(pieces)
}
