//! The house rules over the whole tree, and each over something that breaks it.

use tidy::tree::{SourceFile, file, files, root};
use tidy::{documents, manifests, parts, review, sources};

const PAGE: &str = "docs/REVIEW.md";

fn assert_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn rust_files_follow_the_house() {
    let files = files(".rs");
    assert!(files.len() > 20, "only {} rust files were found", files.len());
    assert_none(&files.iter().flat_map(sources::offences).collect::<Vec<_>>());
}

#[test]
fn documents_are_short_and_their_links_lead_somewhere() {
    let root = root();
    assert_none(&files(".md").iter().flat_map(|it| documents::offences(it, &root)).collect::<Vec<_>>());
}

#[test]
fn index_lists_every_decision_record() {
    let index = file("docs/adr/README.md").unwrap();
    let records =
        files(".md").into_iter().filter(|it| it.path.starts_with("docs/adr/") && it.path != index.path);
    let absent = records.filter(|it| !index.text.contains(&format!("({})", it.name())));
    assert_none(&absent.map(|it| format!("docs/adr/README.md lacks {}", it.path)).collect::<Vec<_>>());
}

#[test]
fn versions_stand_in_the_root_manifest_alone() {
    let members = files("Cargo.toml").into_iter().filter(|it| it.path != "Cargo.toml");
    assert_none(&members.flat_map(|it| manifests::offences(&it)).collect::<Vec<_>>());
}

#[test]
fn every_reviewed_fault_has_a_row_and_every_named_test_exists() {
    let page = file(PAGE).unwrap();
    let tests: Vec<String> = files(".rs").iter().flat_map(review::test_names).collect();
    assert_none(&review::offences(&page, &tests, |path| root().join(path).exists()));
}

#[test]
fn every_guarantee_names_tests_that_exist() {
    let page = file("docs/GUARANTEES.md").unwrap();
    let tests: Vec<String> = files(".rs").iter().flat_map(review::test_names).collect();
    assert_none(&review::unknown_tests(&page, &tests));
    let promises = page.text.lines().filter(|line| line.starts_with("| ") && line.contains('`')).count();
    assert!(promises >= 10, "only {promises} rows name a test");
    let made_up = SourceFile::made_up("p.md", "| a | `no_such_test` | `kafka.delivery` `at_least_once` |");
    assert_eq!(review::unknown_tests(&made_up, &["at_least_once".to_owned()]).len(), 1);
}

#[test]
fn compose_starts_the_versions_that_the_tests_run() {
    let pins = file("tests/integration/real-parts/versions").unwrap();
    let compose = file("docker-compose.yml").unwrap();
    assert_none(&parts::offences(&pins, &compose));
    assert_none(&parts::stale_tags(&file("Cargo.toml").unwrap(), &compose));
}

#[test]
fn a_broken_source_file_is_an_offence() {
    let count = |path: &str, text: &str| sources::offences(&SourceFile::made_up(path, text)).len();
    assert_eq!(count("shared/a/src/b.rs", &"x\n".repeat(400)), 0);
    assert_eq!(count("shared/a/src/b.rs", &"x\n".repeat(401)), 1);
    assert_eq!(count("shared/a/tests/b.rs", &"x\n".repeat(401)), 1);
    assert_eq!(count("shared/a/src/lib.rs", "pub mod b;\n"), 1);
    assert_eq!(count("shared/a/src/lib.rs", "//! A.\n"), 0);
    let unwrapping = concat!("fn f() { g().unwrap", "() }\n");
    assert_eq!(count("shared/a/src/b.rs", unwrapping), 1);
    assert_eq!(count("shared/a/tests/b.rs", unwrapping), 0);
    assert_eq!(count("tests/a/src/b.rs", unwrapping), 1);
    assert_eq!(count("shared/a/src/b.rs", &format!("#[cfg(test)]\nmod tests {{\n{unwrapping}}}\n")), 0);
    assert_eq!(count("shared/a/src/b.rs", "pub struct BatchManager;\n"), 1);
}

#[test]
fn a_broken_document_is_an_offence() {
    let root = root();
    let count = |path: &str, text: &str| documents::offences(&SourceFile::made_up(path, text), &root).len();
    assert_eq!(count("README.md", &"x\n".repeat(121)), 1);
    assert_eq!(count("ARCHITECTURE.md", &"x\n".repeat(251)), 1);
    assert_eq!(count("README.md", "delivered Exactly\nonce"), 1);
    assert_eq!(count("README.md", "exactly-once"), 1);
    assert_eq!(count("README.md", "[a](nowhere.md) [b](Cargo.toml)"), 1);
    assert_eq!(count("docs/x.md", "[a](../Cargo.toml#b) [c](#d)"), 0);
    let headings = "# x\n\n- Status: accepted\n- Date: 2026-11-29\n## Context\n## Decision\n## Consequences\n## Rejected\n";
    assert_eq!(count("docs/adr/001-x.md", headings), 0);
    assert_eq!(count("docs/adr/001-x.md", &headings.replace("- Date", "Date")), 1);
    assert_eq!(count("docs/adr/x.md", headings), 1);
    assert_eq!(
        count("docs/adr/001-x.md", "# x\n- Status: a\n- Date: b\n## Context\n## Decision\n## Consequences\n"),
        1
    );
    assert_eq!(count("docs/adr/001-x.md", &format!("{headings}{}", "x\n".repeat(60))), 1);
}

#[test]
fn a_version_in_a_member_is_an_offence() {
    let count = |text: &str| manifests::offences(&SourceFile::made_up("a/Cargo.toml", text)).len();
    assert_eq!(count("[package]\nversion = \"1\"\n[dependencies]\na.workspace = true\n"), 0);
    assert_eq!(count("[dependencies]\na = { workspace = true, features = [\"b\"] }\n"), 0);
    assert_eq!(count("[dev-dependencies]\na = \"1\"\nb = { version = \"1\" }\n"), 2);
    assert_eq!(count("[target.'cfg(unix)'.dependencies]\na = { path = \"../a\" }\n"), 1);
    assert_eq!(count("[dependencies.a]\nversion = \"1\"\n"), 1);
}

/// A page with all rows, where one row's "shown by" is given.
fn page(shown_by: &str) -> SourceFile {
    let mut text =
        "| id | severity | defect | mechanism | shown by | figure |\n|---|---|---|---|---|---|\n".to_owned();
    for id in review::FAULTS {
        let shown_by = if id == 3385 { shown_by } else { "open" };
        text.push_str(&format!("| {id} | low | f | m | {shown_by} | open |\n"));
    }
    SourceFile::made_up(PAGE, &text)
}

#[test]
fn a_review_row_without_its_test_is_an_offence() {
    let tests = ["nothing_is_lost".to_owned()];
    let count = |page: &SourceFile| review::offences(page, &tests, |path| path == "clippy.toml").len();
    assert_eq!(count(&page("open")), 0);
    assert_eq!(count(&page("`nothing_is_lost`, `clippy.toml`")), 0);
    assert_eq!(count(&page("`feature::pool::nothing_is_lost`; the soak is open")), 0);
    assert_eq!(count(&page("`everything_is_lost`")), 1);
    assert_eq!(count(&page("`feature::pool::everything_is_lost`")), 1);
    assert_eq!(count(&page("`nowhere.toml`")), 1);
    assert_eq!(count(&page("trust me")), 1);
    assert_eq!(count(&page("")), 1);
    let mut cut = page("open");
    cut.text = cut.text.replace("| 3399 |", "| 3400 |");
    assert_eq!(count(&cut), 1);
}

#[test]
fn only_functions_under_a_test_attribute_that_run_are_tests() {
    let text = "#[test]\nfn a() {}\nfn b() {}\n#[tokio::test]\n#[ignore]\nasync fn c() {}\n#[cfg(test)]\nmod d {}\n#[test]\nfn e() {}\n";
    assert_eq!(review::test_names(&SourceFile::made_up("a.rs", text)), ["a", "e"]);
}

#[test]
fn other_pins_in_compose_are_an_offence() {
    let pins = SourceFile::made_up("versions", "kafka=1\nregistry=2\n");
    let compose = |text: &str| SourceFile::made_up("docker-compose.yml", text);
    let right = "    image: apache/kafka:1\n    image: apicurio/apicurio-registry:2\n";
    assert!(parts::offences(&pins, &compose(right)).is_empty());
    assert_eq!(parts::offences(&pins, &compose(&right.replace(":2", ":3"))).len(), 1);
    let manifest = SourceFile::made_up("Cargo.toml", "[workspace.package]\nversion = \"1.2.0\"\n");
    let ours = compose("image: tapeline/feature:1.2.0\nimage: tapeline/backfill:1.1.0\nimage: tapeline/x\n");
    assert_eq!(parts::stale_tags(&manifest, &ours).len(), 2);
}
