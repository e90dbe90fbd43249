//! `docs/REVIEW.md`: one row for each of the 21 reviewed defects, each naming an existing test or `open`.

use crate::tree::SourceFile;

/// The ids of the reviewed defects.
pub const DEFECTS: std::ops::RangeInclusive<u32> = 3379..=3399;
const COLUMNS: [&str; 6] = ["id", "severity", "defect", "mechanism", "shown by", "figure"];
const OPEN: &str = "open";

/// All offences of the page. `tests` are the names of all tests; `exists` returns `true` for the path of a file.
#[must_use]
pub fn offences(page: &SourceFile, tests: &[String], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let rows: Vec<Vec<&str>> = page.text.lines().filter_map(cells).collect();
    let mut offences = Vec::new();
    if !rows.iter().any(|row| row.iter().map(|cell| cell.to_lowercase()).eq(COLUMNS)) {
        offences.push(format!("{} has no table with the columns {}", page.path, COLUMNS.join(", ")));
    }
    for id in DEFECTS {
        let mut of_defect = rows.iter().filter(|row| row[0] == id.to_string());
        match (of_defect.next(), of_defect.next()) {
            (None, _) => offences.push(format!("defect {id} has no row")),
            (_, Some(_)) => offences.push(format!("defect {id} has more than one row")),
            (Some(row), None) => offences.extend(row_offences(id, row, tests, &exists)),
        }
    }
    offences
}

fn row_offences(id: u32, row: &[&str], tests: &[String], exists: impl Fn(&str) -> bool) -> Vec<String> {
    if row.len() != COLUMNS.len() || row.iter().any(|cell| cell.is_empty()) {
        return vec![format!("defect {id}: a row has {} filled cells", COLUMNS.len())];
    }
    let shown_by = row[4];
    let named: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
    if named.is_empty() && !is_open(shown_by) {
        return vec![format!("defect {id}: neither a test nor {OPEN:?} in {shown_by:?}")];
    }
    named
        .into_iter()
        .filter(|name| !is_known(name, tests, &exists))
        .map(|name| format!("defect {id}: no test of the name {name}"))
        .collect()
}

/// Names of tests in another page that do not exist: in backquotes, with at least two underscores.
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

/// The folder of the patches that introduce the defects again.
pub const PATCHES: &str = "tests/review/faults/";

/// Offences of the patches of [`PATCHES`]: each defect has one, and each names tests that the row of its defect names.
#[must_use]
pub fn patch_offences(page: &SourceFile, patches: &[SourceFile]) -> Vec<String> {
    let rows: Vec<Vec<&str>> = page.text.lines().filter_map(cells).collect();
    let mut offences: Vec<String> = DEFECTS
        .filter(|id| !patches.iter().any(|patch| patch.name() == format!("{id}.patch")))
        .map(|id| format!("defect {id} has no patch {PATCHES}{id}.patch"))
        .collect();
    for patch in patches {
        let id = patch.name().split(['.', '-']).next().unwrap_or_default();
        let Some(row) = rows.iter().find(|row| row[0] == id && row.len() == COLUMNS.len()) else {
            offences.push(format!("{}: no row of the defect {id}", patch.path));
            continue;
        };
        let head = |key: &str| patch.text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        if head("# Fault: ").is_none_or(str::is_empty) {
            offences.push(format!("{}: no line \"# Fault: ...\"", patch.path));
        }
        let tests: Vec<&str> = head("# Tests: ").map(|tests| tests.split(", ").collect()).unwrap_or_default();
        if tests.is_empty() {
            offences.push(format!("{}: no line \"# Tests: <package>::<test>\"", patch.path));
        }
        for test in tests {
            let is_named = test
                .split_once("::")
                .is_some_and(|(_, function)| row[4].split('`').skip(1).step_by(2).any(|it| it == function));
            if !is_named {
                offences.push(format!("{}: the row of {id} does not name {test}", patch.path));
            }
        }
    }
    offences
}

fn is_open(cell: &str) -> bool {
    cell.split(|c: char| !c.is_alphanumeric()).any(|word| word == OPEN)
}

/// `true` for a file, e.g. `clippy.toml` for a lint, for [`OPEN`], and for a test, also with its module path.
fn is_known(name: &str, tests: &[String], exists: impl Fn(&str) -> bool) -> bool {
    let function = name.rsplit("::").next().unwrap_or(name);
    name == OPEN || tests.iter().any(|test| test == function) || (name.contains('.') && exists(name))
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

/// The names of the test functions of a Rust file, without ignored ones: functions directly below an attribute that
/// ends in `test]`.
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
