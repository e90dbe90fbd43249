//! Names of tests and files, and descriptions of crates.

use crate::counts::Finding;
use crate::review;
use crate::tree::SourceFile;
use crate::words::area;

/// The longest permitted name of a test, in characters.
const TEST_NAME_LENGTH_MAX: usize = 60;

/// All findings of these files.
#[must_use]
pub fn findings(files: &[SourceFile]) -> Vec<Finding> {
    files.iter().flat_map(of_file).collect()
}

fn of_file(file: &SourceFile) -> Vec<Finding> {
    let finding =
        |kind: &str, text: String| Finding { area: area(&file.path).to_owned(), kind: kind.to_owned(), text };
    if file.name() == "Cargo.toml" && file.path != "Cargo.toml" && !has_description(&file.text) {
        return vec![finding("missing descriptions", format!("{} has no description", file.path))];
    }
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let mut found: Vec<Finding> = review::test_names(file)
        .into_iter()
        .filter(|name| name.chars().count() > TEST_NAME_LENGTH_MAX)
        .map(|name| {
            let length = name.chars().count();
            finding("long test names", format!("{}: {name} has {length} characters", file.path))
        })
        .collect();
    if file.name() == "mod.rs" && file.path.contains("/src/") {
        let folder = file.path.trim_end_matches("/mod.rs");
        found.push(finding("mod files", format!("{}: name it {folder}.rs", file.path)));
    }
    found
}

fn has_description(manifest: &str) -> bool {
    manifest.lines().any(|line| {
        line.split_once('=').is_some_and(|(key, value)| {
            key.trim() == "description" && !value.trim().trim_matches('"').trim().is_empty()
        })
    })
}
