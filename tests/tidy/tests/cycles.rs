//! Import cycles in the whole tree, and in made-up crates.

use tidy::cycles::{self, Cycle};
use tidy::tree::{SourceFile, file};

#[test]
fn only_permitted_files_import_each_other() {
    let found = cycles::search_tree().unwrap();
    let offences = cycles::offences(&found, &file(cycles::EXCEPTIONS).unwrap().text);
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

/// The cycles of a crate with these files below `src`.
fn search(files: &[(&str, &str)]) -> Vec<Cycle> {
    let made_up = |(path, text): &(&str, &str)| SourceFile::made_up(&format!("shared/a/src/{path}"), text);
    let files: Vec<SourceFile> = files.iter().map(made_up).collect();
    cycles::search_crate("shared/a", &files).unwrap_or_else(|cause| panic!("{cause}"))
}

#[track_caller]
fn assert_cycle(files: &[(&str, &str)], expected: &str) {
    let found: Vec<String> = search(files).iter().map(Cycle::to_string).collect();
    assert!(found.len() == 1, "{found:?} in {files:?}");
    let first = found[0].lines().next().unwrap_or("");
    assert_eq!(first, format!("a: files import each other: {expected}"), "{files:?}");
}

#[track_caller]
fn assert_none(files: &[(&str, &str)]) {
    let found: Vec<String> = search(files).iter().map(Cycle::to_string).collect();
    assert!(found.is_empty(), "{found:?} in {files:?}");
}

const LIB: &str = "mod b; mod c;";

#[test]
fn each_form_of_a_use_closes_a_cycle() {
    for text in [
        "use crate::c::C;",
        "use crate::c::{self, C};",
        "use crate::{c::C as D};",
        "use super::c::C;",
        "use super::{c, c::C};",
        "use super::c;",
        "use self::super::c::C;",
        "use crate::c::*; fn f(_: C) {}",
        "use super::*; fn f(_: c::C) {}",
        "pub use crate::c::C;",
        "pub(crate) use crate::c::*;",
        "fn f() -> crate::c::C { todo() }",
        "struct A(super::c::C);",
        "fn f() { super::c::run() }",
        "fn f() { use crate::c; c::run() }",
        "fn f() { print!(\"{}\", crate::c::run()) }",
        "#[derive(A)] struct A { #[arg(value_parser = crate::c::run)] a: u8 }",
        "#[derive(A)] struct A { #[serde(default = \"crate::c::run\")] a: u8 }",
        "impl crate::c::C { fn f() {} }",
        "type A = Vec<crate::c::C>;",
        "mod inner { fn f() { super::super::c::run() } }",
    ] {
        let text = format!("{text}\npub struct B;");
        let other = "use crate::b::B; pub struct C; pub fn run() {}";
        assert_cycle(&[("lib.rs", LIB), ("b.rs", &text), ("c.rs", other)], "b.rs c.rs");
    }
}

#[test]
fn names_are_followed_through_reexports() {
    let c = ("c.rs", "use crate::b::B; pub struct C;");
    for lib in [
        "mod b; mod c; pub use c::C;",
        "mod b; mod c; pub use c::*;",
        "mod b; mod c; pub use self::c::C as D; pub use D as C;",
        "mod b; mod c; pub mod d { pub use crate::c::C; } pub use d::*;",
        "mod b; mod c; use c::C;",
    ] {
        for import in ["use crate::C;", "use super::C;", "use crate::*; fn f(_: C) {}"] {
            let b = format!("{import}\npub struct B;");
            assert_cycle(&[("lib.rs", lib), ("b.rs", &b), c], "b.rs c.rs");
        }
    }
}

#[test]
fn parent_and_child_make_a_cycle_by_items_of_the_parent_only() {
    let lib = ("lib.rs", "mod b;");
    let child = ("b/c.rs", "use super::B; pub struct C;");
    assert_cycle(&[lib, ("b.rs", "mod c; use c::C; pub struct B;"), child], "b.rs b/c.rs");
    assert_cycle(&[lib, ("b/mod.rs", "mod c; pub use c::C; pub struct B;"), child], "b/c.rs b/mod.rs");
    assert_cycle(&[lib, ("b.rs", "mod c; fn f() { c::run() } pub struct B;"), child], "b.rs b/c.rs");
    assert_none(&[lib, ("b.rs", "mod c; pub struct B;"), child]);
    let reexporting = ("b.rs", "mod c; mod d; pub use c::C; pub use d::B;");
    assert_none(&[lib, reexporting, child, ("b/d.rs", "pub struct B;")]);
}

#[test]
fn longer_cycles_are_found_in_both_roots() {
    let files = |root| {
        [
            (root, "mod b; mod c; mod d;"),
            ("b.rs", "use crate::c::C; pub struct B;"),
            ("c.rs", "use crate::d::D; pub struct C;"),
            ("d.rs", "use crate::b::B; pub struct D;"),
        ]
    };
    assert_cycle(&files("lib.rs"), "b.rs c.rs d.rs");
    assert_cycle(&files("main.rs"), "b.rs c.rs d.rs");
}

#[test]
fn tests_and_other_crates_make_no_cycle() {
    let c = ("c.rs", "use crate::b::B; pub struct C;");
    for text in [
        "#[cfg(test)] mod tests { use crate::c::C; }",
        "#[cfg(test)] use crate::c::C;",
        "use c::C;",
        "use ::c::C;",
        "pub(in crate::c) fn f() {}",
        "/// [`crate::c::C`]\nfn f() {}",
        "fn f() { let c = 1; g(c) }",
        "const A: &str = \"crate::c\";",
    ] {
        let text = format!("{text}\npub struct B;");
        assert_none(&[("lib.rs", LIB), ("b.rs", &text), c]);
    }
    let tests = ("b/tests.rs", "use crate::c::C;");
    assert_none(&[("lib.rs", LIB), ("b.rs", "#[cfg(test)] mod tests; pub struct B;"), tests, c]);
}

#[test]
fn permitted_cycles_have_a_reason_and_exist() {
    let files = [
        ("lib.rs", LIB),
        ("b.rs", "use crate::c::C; pub struct B;"),
        ("c.rs", "use crate::b::B; pub struct C;"),
    ];
    let found = search(&files);
    let count = |exceptions: &str| cycles::offences(&found, exceptions).len();
    assert_eq!(count(""), 1);
    assert_eq!(count("# comment\na\tb.rs c.rs\treason\n"), 0);
    assert_eq!(count("a\tb.rs c.rs d.rs\treason\n"), 0);
    assert_eq!(count("a\tb.rs\treason\n"), 2);
    assert_eq!(count("a\tb.rs c.rs\t\n"), 2);
    assert_eq!(count("a\tb.rs c.rs\treason\ne\tf.rs g.rs\treason\n"), 1);
}
