//! `docs/REVIEW.md`: a row for each of the 21 faults, and no claim without a test of that name.

use crate::tree::SourceFile;

/// The ids of the reviewed faults.
pub const FAULTS: std::ops::RangeInclusive<u32> = 3379..=3399;
const COLUMNS: [&str; 6] = ["id", "severity", "defect", "mechanism", "shown by", "figure"];
const OPEN: &str = "open";

/// All offences of the page, given the names of all tests and a way to know whether a file exists.
#[must_use]
pub fn offences(page: &SourceFile, tests: &[String], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let rows: Vec<Vec<&str>> = page.text.lines().filter_map(cells).collect();
    let mut offences = Vec::new();
    if !rows.iter().any(|row| row.iter().map(|cell| cell.to_lowercase()).eq(COLUMNS)) {
        offences.push(format!("{} has no table with the columns {}", page.path, COLUMNS.join(", ")));
    }
    for id in FAULTS {
        let mut of_fault = rows.iter().filter(|row| row[0] == id.to_string());
        match (of_fault.next(), of_fault.next()) {
            (None, _) => offences.push(format!("fault {id} has no row")),
            (_, Some(_)) => offences.push(format!("fault {id} has more than one row")),
            (Some(row), None) => offences.extend(row_offences(id, row, tests, &exists)),
        }
    }
    offences
}

fn row_offences(id: u32, row: &[&str], tests: &[String], exists: impl Fn(&str) -> bool) -> Vec<String> {
    if row.len() != COLUMNS.len() || row.iter().any(|cell| cell.is_empty()) {
        return vec![format!("fault {id}: a row has {} filled cells", COLUMNS.len())];
    }
    let shown_by = row[4];
    let named: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
    if named.is_empty() && !says_open(shown_by) {
        return vec![format!("fault {id}: neither a test nor {OPEN:?} in {shown_by:?}")];
    }
    named
        .into_iter()
        .filter(|name| !is_known(name, tests, &exists))
        .map(|name| format!("fault {id}: no test of the name {name}"))
        .collect()
}

/// Tests that another page names in backquotes, as words with two underscores at least, and that don't exist.
#[must_use]
pub fn unknown_tests(page: &SourceFile, tests: &[String]) -> Vec<String> {
    let is_a_name = |name: &&str| {
        name.matches('_').count() >= 2
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let named = page.text.split('`').skip(1).step_by(2).filter(is_a_name);
    named
        .filter(|name| !tests.iter().any(|test| test == name))
        .map(|name| format!("{}: no test of the name {name}", page.path))
        .collect()
}

fn says_open(cell: &str) -> bool {
    cell.split(|c: char| !c.is_alphanumeric()).any(|word| word == OPEN)
}

/// A file, e.g. `clippy.toml` for what a ban shows; the word for an open row; or a test, maybe with its path.
fn is_known(name: &str, tests: &[String], exists: impl Fn(&str) -> bool) -> bool {
    let function = name.rsplit("::").next().unwrap_or(name);
    name == OPEN || tests.iter().any(|test| test == function) || (name.contains('.') && exists(name))
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

/// The names of the functions of a Rust file that are tests and run: an attribute ending in `test]` stands right above, none that
/// has it ignored.
#[must_use]
pub fn test_names(file: &SourceFile) -> Vec<String> {
    let mut names = Vec::new();
    let (mut after_attribute, mut is_ignored) = (false, false);
    for line in file.text.lines().map(str::trim) {
        if line.starts_with("#[") {
            after_attribute |= line.contains("test]") || line.contains("test(");
            is_ignored |= line.starts_with("#[ignore");
        } else if let Some(rest) = line.split("fn ").nth(1) {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if after_attribute && !is_ignored {
                names.push(name);
            }
            (after_attribute, is_ignored) = (false, false);
        } else if !line.starts_with("//") && !line.is_empty() && !line.ends_with(")]") {
            (after_attribute, is_ignored) = (false, false);
        }
    }
    names
}
