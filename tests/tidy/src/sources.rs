//! Rules about Rust files that no lint of clippy covers.

use crate::tree::SourceFile;

/// The longest permitted file, in lines.
pub const FILE_LINES_MAX: usize = 400;

/// Endings of names that do not describe a thing.
const EMPTY_NAMES: &[&str] = &["Manager", "Helper", "Util", "Utils"];

/// All offences of one Rust file.
#[must_use]
pub fn offences(file: &SourceFile) -> Vec<String> {
    let mut offences = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        offences.push(format!("{} has {lines} lines, at most {FILE_LINES_MAX} are allowed", file.path));
    }
    if file.name() == "lib.rs" && !file.text.starts_with("//!") {
        offences.push(format!("{} does not begin with its //! doc", file.path));
    }
    offences.extend(empty_names(file));
    if !is_test_file(file) {
        offences.extend(unwraps(file));
    }
    offences
}

pub(crate) fn is_test_file(file: &SourceFile) -> bool {
    let folders = ["/tests/", "/benches/", "/examples/"];
    folders.iter().any(|folder| format!("/{}", file.path).contains(folder) && !file.path.contains("/src/"))
        || file.name() == "tests.rs"
        || file.path.split_once("/src/").is_some_and(|(_, inner)| format!("/{inner}").contains("/tests/"))
}

/// Clippy counts unwraps per crate kind; this one names the line, and also holds where a lint is allowed away.
fn unwraps(file: &SourceFile) -> Vec<String> {
    let outside_tests = file.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    outside_tests
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//") && line.contains(concat!(".unwrap", "()")))
        .map(|(index, _)| format!("{}:{} unwraps outside tests", file.path, index + 1))
        .collect()
}

fn empty_names(file: &SourceFile) -> Vec<String> {
    let declarations = ["struct ", "enum ", "trait ", "type "];
    let mut offences = Vec::new();
    for line in file.text.lines() {
        let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        let Some(rest) = declarations.iter().find_map(|word| line.strip_prefix(word)) else { continue };
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if EMPTY_NAMES.iter().any(|empty| name.ends_with(empty)) {
            offences.push(format!("{}: the name {name} does not describe the thing", file.path));
        }
    }
    offences
}
