//! The checks over the whole repository, and each over files that violate it.

use tidy::tree::{SourceFile, file, files, root};
use tidy::{blocking, documents, manifests, names, review, sources, statics, versions};

fn assert_none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn rust_files_have_the_required_form() {
    let files = files(".rs");
    assert!(files.len() > 20, "only {} rust files were found", files.len());
    assert_none(&files.iter().flat_map(sources::offences).collect::<Vec<_>>());
}

/// The sources of services and shared crates. `tapeline` is a command, which may block.
fn service_sources() -> Vec<SourceFile> {
    let is_source = |it: &SourceFile| {
        let path = it.path.as_str();
        let of_service = path.starts_with("shared/") || path.starts_with("services/");
        of_service
            && path.contains("/src/")
            && !path.contains("/tests")
            && !path.starts_with("services/tapeline/")
    };
    files(".rs").into_iter().filter(is_source).collect()
}

#[test]
fn async_code_calls_nothing_that_blocks() {
    let sources = service_sources();
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    assert_none(&sources.iter().flat_map(blocking::offences).collect::<Vec<_>>());
}

#[test]
fn blocking_call_in_async_code_is_an_offence() {
    let count = |text: &str| blocking::offences(&SourceFile::made_up("a.rs", text)).len();
    assert_eq!(count("async fn f() { std::fs::read(p); }"), 1);
    assert_eq!(count("fn f() { std::fs::read(p); async { fs::read(p); } }"), 1);
    assert_eq!(count("impl A { async fn f() { a.map(|_| File::open(p)).b(); } }"), 1);
    assert_eq!(count("async fn f() { thread::sleep(d); Command::new(c).status(); }"), 2);
    assert_eq!(count("async fn f() { tokio::fs::read(p).await; spawn_blocking(|| std::fs::read(p)); }"), 0);
    assert_eq!(count("async fn f() { tasks.thread(n, || File::open(p)); }"), 0);
    assert_eq!(count("async fn f() { fn g() { std::fs::read(p); } }"), 0);
    assert_eq!(count("#[cfg(test)] mod tests { async fn f() { std::fs::read(p); } }"), 0);
}

#[test]
fn global_state_is_listed() {
    assert_none(&service_sources().iter().flat_map(statics::offences).collect::<Vec<_>>());
}

#[test]
fn unlisted_global_state_is_an_offence() {
    let count = |text: &str| statics::offences(&SourceFile::made_up("a.rs", text)).len();
    assert_eq!(count("static A: LazyLock<Schema> = LazyLock::new(f); static B: Once = Once::new();"), 0);
    assert_eq!(count("static mut A: u8 = 0;"), 1);
    assert_eq!(count("fn f() { static A: LazyLock<std::sync::RwLock<B>> = g(); }"), 1);
    assert_eq!(count("static A: AtomicU64 = AtomicU64::new(0); thread_local! { static B: u8 = 0; }"), 2);
    assert_eq!(count("#[cfg(test)] mod tests { static A: Mutex<u8> = Mutex::new(0); }"), 0);
    let listed = SourceFile::made_up("shared/hosting/src/memory.rs", "static RESERVED: Mutex<A> = b();");
    assert!(statics::offences(&listed).is_empty());
}

#[test]
fn documents_are_short_and_their_links_exist() {
    let root = root();
    assert_none(&files(".md").iter().flat_map(|it| documents::offences(it, &root)).collect::<Vec<_>>());
}

#[test]
fn members_take_versions_from_the_root_manifest() {
    let members = files("Cargo.toml").into_iter().filter(|it| it.path != "Cargo.toml");
    assert_none(&members.flat_map(|it| manifests::offences(&it)).collect::<Vec<_>>());
}

#[test]
fn every_guarantee_names_tests_that_exist() {
    let page = file("docs/GUARANTEES.md").unwrap();
    let tests: Vec<String> = files(".rs").iter().flat_map(review::test_names).collect();
    assert_none(&review::unknown_tests(&page, &tests));
    let guarantees = page.text.lines().filter(|line| line.starts_with("| ") && line.contains('`')).count();
    assert!(guarantees >= 10, "only {guarantees} rows name a test");
    let made_up = SourceFile::made_up("p.md", "| a | `no_such_test` | `kafka.delivery` `at_least_once` |");
    assert_eq!(review::unknown_tests(&made_up, &["at_least_once".to_owned()]).len(), 1);
}

#[test]
fn compose_and_tests_run_the_same_versions() {
    let pins = file("tests/integration/real-parts/versions").unwrap();
    let compose = file("docker-compose.yml").unwrap();
    assert_none(&versions::offences(&pins, &compose));
    assert_none(&versions::stale_tags(&file("Cargo.toml").unwrap(), &compose));
}

#[test]
fn source_file_of_wrong_form_is_an_offence() {
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
fn document_of_wrong_form_is_an_offence() {
    let root = root();
    let count = |path: &str, text: &str| documents::offences(&SourceFile::made_up(path, text), &root).len();
    assert_eq!(count("README.md", &"x\n".repeat(121)), 1);
    assert_eq!(count("ARCHITECTURE.md", &"x\n".repeat(251)), 1);
    assert_eq!(count("README.md", "delivered Exactly\nonce"), 1);
    assert_eq!(count("README.md", "exactly-once"), 1);
    assert_eq!(count("README.md", "[a](missing.md) [b](Cargo.toml)"), 1);
    assert_eq!(count("docs/x.md", "[a](../Cargo.toml#b) [c](#d)"), 0);
    let headings = "# x\n## Context\n## Decision\n## Consequences\n## Rejected\n";
    assert_eq!(count("docs/adr/001-x.md", headings), 0);
    assert_eq!(count("docs/adr/x.md", headings), 1);
    assert_eq!(count("docs/adr/001-x.md", "# x\n## Context\n## Decision\n## Consequences\n"), 1);
    assert_eq!(count("docs/adr/001-x.md", &format!("{headings}{}", "x\n".repeat(62))), 1);
}

#[test]
fn decision_records_are_listed_with_status_and_date() {
    let Some(index) = file(documents::DECISION_INDEX) else { return };
    let pages = files(".md");
    let decisions = pages.iter().filter(|it| it.path.starts_with("docs/adr/") && it.path != index.path);
    assert_none(&decisions.flat_map(|it| documents::index_offences(it, &index)).collect::<Vec<_>>());
}

#[test]
fn runbooks_are_listed() {
    let Some(index) = file(documents::PAGE_INDEX) else { return };
    let pages = files(".md");
    let runbooks = pages.iter().filter(|it| it.path.starts_with("docs/runbooks/"));
    assert_none(&runbooks.filter_map(|it| documents::unlisted(it, &index)).collect::<Vec<_>>());
    let unlisted = SourceFile::made_up("docs/runbooks/x.md", "# x\n");
    assert!(documents::unlisted(&unlisted, &index).is_some());
}

#[test]
fn unlisted_or_undated_decision_is_an_offence() {
    let index = SourceFile::made_up(documents::DECISION_INDEX, "| [001](001-x.md) |");
    let count =
        |path: &str, text: &str| documents::index_offences(&SourceFile::made_up(path, text), &index).len();
    let head = "# x\n\nStatus: accepted\nDate: 2026-03-01\n";
    assert_eq!(count("docs/adr/001-x.md", head), 0);
    assert_eq!(count("docs/adr/002-y.md", head), 1);
    assert_eq!(count("docs/adr/001-x.md", &head.replace("accepted", "")), 1);
    assert_eq!(count("docs/adr/001-x.md", &head.replace("2026-03-01", "March")), 1);
    assert_eq!(count("docs/adr/001-x.md", "# x\n"), 2);
}

#[test]
fn long_names_mod_files_and_missing_descriptions_are_found() {
    let found = |path: &str, text: &str| -> Vec<(String, String)> {
        let findings = names::findings(&[SourceFile::made_up(path, text)]);
        findings.into_iter().map(|it| (it.area, it.kind)).collect()
    };
    let test = |length: usize| format!("#[test]\nfn {}() {{}}\n", "a".repeat(length));
    let one = |kind: &str| vec![("b".to_owned(), kind.to_owned())];
    assert_eq!(found("shared/b/tests/c.rs", &test(60)), []);
    assert_eq!(found("shared/b/tests/c.rs", &test(61)), one("long test names"));
    assert_eq!(found("shared/b/src/c/mod.rs", ""), one("mod files"));
    assert_eq!(found("shared/b/tests/common/mod.rs", ""), []);
    assert_eq!(found("shared/b/Cargo.toml", "[package]\n"), one("missing descriptions"));
    assert_eq!(found("shared/b/Cargo.toml", "description = \"\"\n"), one("missing descriptions"));
    assert_eq!(found("shared/b/Cargo.toml", "description = \"B\"\n"), []);
    assert_eq!(found("Cargo.toml", "[workspace]\n"), []);
}

#[test]
fn version_in_a_member_is_an_offence() {
    let count = |text: &str| manifests::offences(&SourceFile::made_up("a/Cargo.toml", text)).len();
    assert_eq!(count("[package]\nversion = \"1\"\n[dependencies]\na.workspace = true\n"), 0);
    assert_eq!(count("[dependencies]\na = { workspace = true, features = [\"b\"] }\n"), 0);
    assert_eq!(count("[dev-dependencies]\na = \"1\"\nb = { version = \"1\" }\n"), 2);
    assert_eq!(count("[target.'cfg(unix)'.dependencies]\na = { path = \"../a\" }\n"), 1);
    assert_eq!(count("[dependencies.a]\nversion = \"1\"\n"), 1);
}

#[test]
fn test_names_leave_out_ignored_functions() {
    let text = "#[test]\nfn a() {}\nfn b() {}\n#[tokio::test]\n#[ignore]\nasync fn c() {}\n#[cfg(test)]\nmod d {}\n#[test]\nfn e() {}\n";
    assert_eq!(review::test_names(&SourceFile::made_up("a.rs", text)), ["a", "e"]);
}

#[test]
fn different_version_in_compose_is_an_offence() {
    let pins = SourceFile::made_up("versions", "kafka=1\nregistry=2\npostgres=3\n");
    let compose = |text: &str| SourceFile::made_up("docker-compose.yml", text);
    let right = "    image: apache/kafka:1\n    image: apicurio/apicurio-registry:2\n    image: postgres:3\n";
    assert!(versions::offences(&pins, &compose(right)).is_empty());
    assert_eq!(versions::offences(&pins, &compose(&right.replace(":2", ":4"))).len(), 1);
    let manifest = SourceFile::made_up("Cargo.toml", "[workspace.package]\nversion = \"1.2.0\"\n");
    let images =
        compose("image: tapeline/feature:1.2.0\nimage: tapeline/backfill:1.1.0\nimage: tapeline/x\n");
    assert_eq!(versions::stale_tags(&manifest, &images).len(), 2);
}
