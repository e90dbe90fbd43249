//! The page of the reviewed defects, and the patches that introduce them again.

use std::process::Command;

use tidy::review;
use tidy::tree::{SourceFile, file, files, root};

const PAGE: &str = "docs/REVIEW.md";

fn assert_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

fn patches() -> Vec<SourceFile> {
    files(".patch").into_iter().filter(|it| it.path.starts_with(review::PATCHES)).collect()
}

#[test]
fn every_reviewed_defect_names_an_existing_test() {
    let page = file(PAGE).unwrap();
    let tests: Vec<String> = files(".rs").iter().flat_map(review::test_names).collect();
    assert_none(&review::offences(&page, &tests, |path| root().join(path).exists()));
}

#[test]
fn every_reviewed_defect_has_a_patch_that_names_its_tests() {
    assert_none(&review::patch_offences(&file(PAGE).unwrap(), &patches()));
}

/// `tests/review/run` applies them.
#[test]
fn every_patch_of_a_reviewed_defect_applies() {
    let mut offences = Vec::new();
    for patch in patches() {
        let applied =
            Command::new("git").args(["apply", "--check", &patch.path]).current_dir(root()).output();
        let applied = applied.unwrap();
        if !applied.status.success() {
            offences.push(format!("{}: {}", patch.path, String::from_utf8_lossy(&applied.stderr)));
        }
    }
    assert_none(&offences);
}

/// A page with all rows and this "shown by" in one of them.
fn page(shown_by: &str) -> SourceFile {
    let mut text =
        "| id | severity | defect | mechanism | shown by | figure |\n|---|---|---|---|---|---|\n".to_owned();
    for id in review::DEFECTS {
        let shown_by = if id == 3385 { shown_by } else { "open" };
        text.push_str(&format!("| {id} | low | f | m | {shown_by} | open |\n"));
    }
    SourceFile::made_up(PAGE, &text)
}

#[test]
fn review_row_without_its_test_is_an_offence() {
    let tests = ["nothing_is_lost".to_owned()];
    let count = |page: &SourceFile| review::offences(page, &tests, |path| path == "clippy.toml").len();
    assert_eq!(count(&page("open")), 0);
    assert_eq!(count(&page("`nothing_is_lost`, `clippy.toml`")), 0);
    assert_eq!(count(&page("`feature::pool::nothing_is_lost`; the soak is open")), 0);
    assert_eq!(count(&page("`everything_is_lost`")), 1);
    assert_eq!(count(&page("`feature::pool::everything_is_lost`")), 1);
    assert_eq!(count(&page("`missing.toml`")), 1);
    assert_eq!(count(&page("trust me")), 1);
    assert_eq!(count(&page("")), 1);
    let mut cut = page("open");
    cut.text = cut.text.replace("| 3399 |", "| 3400 |");
    assert_eq!(count(&cut), 1);
}

#[test]
fn patch_without_fault_or_named_test_is_an_offence() {
    let count = |name: &str, text: &str| {
        let path = |id: &str| format!("{}{id}.patch", review::PATCHES);
        let others = review::DEFECTS.filter(|id| *id != 3385).map(|id| {
            let head = "# Fault: f\n# Tests: a::b\n";
            SourceFile::made_up(&path(&id.to_string()), head)
        });
        let all_named = page("`nothing_is_lost`").text.replace("| m | open |", "| m | `b` |");
        let mut patches: Vec<SourceFile> = others.collect();
        patches.push(SourceFile::made_up(&path(name), text));
        review::patch_offences(&SourceFile::made_up(PAGE, &all_named), &patches).len()
    };
    let head = "# Fault: f\n# Tests: chassis::nothing_is_lost\n";
    assert_eq!(count("3385", head), 0);
    assert_eq!(count("3385-restart", head), 1, "the defect has no patch of its own");
    assert_eq!(count("3400", head), 2);
    assert_eq!(count("3385", &head.replace("# Fault: f\n", "")), 1);
    assert_eq!(count("3385", "# Fault: f\n"), 1);
    assert_eq!(count("3385", &head.replace("nothing", "everything")), 1);
    assert_eq!(count("3385", &head.replace("chassis::", "")), 1);
}
