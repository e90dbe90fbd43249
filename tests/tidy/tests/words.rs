//! The word check over lines that it must find; `counts.rs` runs it over the repository.

use tidy::tree::SourceFile;
use tidy::words::{self, Exceptions, Hit, Kind, Patterns};

/// The hits of a file, with the committed words and exceptions.
fn hits(path: &str, text: &str) -> Vec<Hit> {
    let (patterns, exceptions) = words::tables().expect("valid tables");
    let files = [SourceFile::made_up(path, text)];
    words::search(&files, &patterns, &exceptions).unwrap_or_else(|cause| panic!("{cause}"))
}

fn kinds(path: &str, text: &str) -> Vec<(Kind, String)> {
    hits(path, text).into_iter().map(|hit| (hit.kind, hit.words)).collect()
}

#[track_caller]
fn assert_hit(path: &str, text: &str, kind: Kind, words: &str) {
    assert_eq!(kinds(path, text), [(kind, words.to_owned())], "{path}: {text}");
}

const RS: &str = "services/feature/src/a.rs";

#[test]
fn user_visible_text_is_found_in_every_place() {
    for text in [
        "fn f() { warn!(n = 1, \"clients given up\"); }",
        "fn f() { warn!(given_up = 1, \"clients\"); }",
        "fn f() { info!(%given_up, \"clients\"); }",
        "#[derive(Error)] enum E { #[error(\"{n} given up\")] A }",
        "#[derive(Debug, clap::Args)] struct A { #[arg(help = \"given up\")] b: u8 }",
        "#[derive(Debug, Args)]\nstruct A {\n/// Is given up.\nb: u8 }",
        "#[derive(ValueEnum)]\nenum A {\n/// Is given up.\nB }",
        "/// Is given up.\n#[derive(Subcommand)]\nenum A { B }",
        "const METRIC: &str = \"feature_given_up_total\";",
        "const HELP: &str = r#\"a\n given\n up\"#;",
    ] {
        assert_hit(RS, text, Kind::User, "given up");
    }
    for path in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/x.md",
        "docs/adr/001-x.md",
        "deploy/kafka/README.md",
        "deploy/helm/tapeline/values.yaml",
        "deploy/helm/tapeline/templates/a.yaml",
        "deploy/helm/tapeline/templates/_a.tpl",
        "deploy/helm/tapeline/dashboards/a.json",
        "deploy/dashboards/make.py",
        "docker-compose.yml",
        "services/scanner-bridge/config/mapping.toml",
        "shared/kafka-io/README.md",
    ] {
        assert_hit(path, "# Clients are given up.\n", Kind::User, "given up");
    }
    assert_hit("shared/kit/Cargo.toml", "description = \"given up\"\n", Kind::User, "given up");
}

#[test]
fn comments_are_found() {
    for text in [
        "// Is given up.",
        "fn f() {} // is given up",
        "//! A.\n//!\n//! Is given up.",
        "/// Is given up.\nfn f() {}",
        "/* is given up */",
        "#[expect(dead_code, reason = \"given up\")]\nfn f() {}",
        "#[cfg(test)]\nmod tests {\n// is given up\n}",
    ] {
        assert_hit(RS, text, Kind::Comment, "given up");
    }
    for path in [".ci/run", "shared/a/make.py", "clippy.toml", "tests/chaos/run", ".github/workflows/ci.yml"]
    {
        assert_hit(path, "a = 1  # is given up\n", Kind::Comment, "given up");
    }
    assert_hit("tests/a/b.go", "a := 1 // is given up\n", Kind::Comment, "given up");
}

#[test]
fn names_are_found_in_every_style() {
    for text in [
        "fn is_given_up() {}",
        "struct GivenUp;",
        "struct A { given_up: u8 }",
        "enum A { GivenUp }",
        "const CLIENTS_GIVEN_UP: u8 = 0;",
        "static GIVEN_UP: u8 = 0;",
        "mod given_up {}",
        "trait GivenUp {}",
        "type GivenUp = u8;",
        "fn f(given_up: u8) {}",
        "fn f() { let given_up = 1; }",
        "fn f() { a(|given_up| 1); }",
        "fn f<GivenUp>() {}",
        "trait A { fn given_up(); }",
        "impl A { const GIVEN_UP: u8 = 1; }",
        "proptest! { fn given_up() {} }",
    ] {
        assert_hit(RS, text, Kind::Name, "given up");
    }
    assert_hit("services/feature/src/given_up.rs", "", Kind::Name, "given up");
    assert_hit("services/feature/tests/given_up/main.rs", "", Kind::Name, "given up");
    assert_hit("docs/runbooks/given-up.md", "", Kind::Name, "given up");
}

#[test]
fn test_texts_are_found() {
    let literal = "fn f() { a(\"given up\"); }";
    let inner = format!("#[cfg(test)]\nmod tests {{ {literal} }}");
    for (path, text) in [
        (RS, inner.as_str()),
        (RS, "#[tokio::test]\nasync fn f() { a(\"given up\"); }"),
        ("services/feature/tests/a.rs", literal),
        ("services/feature/src/a/tests.rs", literal),
        ("shared/testkit/src/a.rs", literal),
        ("tests/integration/src/a.rs", literal),
        ("tests/bench/run", "echo given up\n"),
    ] {
        assert_hit(path, text, Kind::Test, "given up");
    }
    let files = [
        SourceFile::made_up("services/feature/src/lib.rs", "//! A.\n#[cfg(test)]\nmod b;\n"),
        SourceFile::made_up("services/feature/src/b.rs", literal),
    ];
    let (patterns, exceptions) = words::tables().unwrap();
    let hits = words::search(&files, &patterns, &exceptions).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.kind).collect::<Vec<_>>(), [Kind::Test]);
}

#[test]
fn wrapped_phrase_is_found_with_its_line() {
    let found = hits(RS, "//! A.\n\n// Clients that are given\n// up are closed.\n");
    assert_eq!(found.iter().map(|hit| (hit.line, hit.words.as_str())).collect::<Vec<_>>(), [(3, "given up")]);
    assert_hit("docs/x.md", "Clients are given\nup.\n", Kind::User, "given up");
    assert_eq!(kinds("docs/x.md", "Clients are given\n\nUp.\n"), []);
    assert_eq!(kinds(RS, "// is given\n\n// up\n"), []);
}

#[test]
fn doc_patterns_hold_at_the_beginning_only() {
    assert_hit(RS, "/// What is read.\nfn f() {}", Kind::Comment, "what");
    assert_eq!(kinds(RS, "/// Returns what is read.\n///\n/// What fails is logged.\nfn f() {}"), []);
    assert_eq!(kinds(RS, "// What is read.\n"), []);
}

#[test]
fn every_word_of_the_list_is_found() {
    for text in [
        "answers",
        "unanswered",
        "asks",
        "asked",
        "asking",
        "judged",
        "judgement",
        "refuses",
        "refusal",
        "stands",
        "stood",
        "standing",
        "tell",
        "told",
        "say",
        "said",
        "gives back",
        "gives it back",
        "made anew",
        "beside",
        "nobody",
        "whoever",
        "somebody",
        "mended",
        "for ever",
        "poisoned",
        "comes again",
        "turned away",
        "given up",
        "what it costs",
        "house rules",
        "door",
        "trouble",
        "faults",
        "let flow",
        "pressed",
        "hands over",
        "in hand",
        "looks at",
        "mute",
        "desk",
        "the word of",
        "is told",
        "in vain",
        "rig",
        "put out of",
        "who was stopped",
        "records wait",
        "knows",
        "none of ours",
        "budget is spent",
        "isn't there",
        "lack of a right",
        "no admission",
        "be done with",
        "behind it",
    ] {
        assert!(!hits("docs/x.md", &format!("A {text} b.\n")).is_empty(), "{text:?} is not found");
    }
    for name in ["max", "max_wait", "longest_wait", "most_items", "place", "turns"] {
        let text = format!("fn {name}() {{}}");
        assert_eq!(hits(RS, &text).len(), usize::from(name != "max"), "{name}");
    }
}

#[test]
fn ordinary_words_are_no_hits() {
    let text = "The standard task overflows. It expresses an understanding; the data source is open, in place,\n\
        and the right end turns into a dead letter. Dead-letter topic, `DeadLetter`. Connection refused (os error).\n\
        The group is behind. `#[source]` of a known fault injection. It lags behind.\n";
    assert_eq!(kinds("docs/x.md", text), []);
}

#[test]
fn exceptions_hold() {
    for (path, text) in [
        ("schemas/a.b/v1.avsc", "{\"doc\": \"asked\"}"),
        ("schemas/README.md", "asked"),
        ("services/feature/tests/golden/a.md", "asked"),
        ("docs/upgrade.md", "<!-- old names -->\n| asked |\n<!-- /old names -->\n"),
        ("docs/glossary.md", "| term | replaces |\n|---|---|\n| request | ask |\n"),
        ("docs/upgrade.md", "| old name | new name |\n|---|---|\n| `a_given_up_total` | `a_total` |\n"),
        ("docs/x.md", "The class `refused` of a range."),
        ("deploy/a.yaml", "outcome=\"refused\""),
        ("services/backfill/src/a.rs", "enum Class { Refused } const A: &str = \"refused\";"),
        ("tests/chaos/src/plan/fault.rs", "// A fault.\nstruct Fault;"),
        ("docs/x.md", "[ADR 1](adr/001-who-is-asked.md)"),
        (RS, "fn f() { format!(\"{asked}\"); }"),
    ] {
        assert_eq!(kinds(path, text), [], "{path}: {text}");
    }
    assert_hit("docs/x.md", "It is refused.", Kind::User, "refused");
    assert_hit("docs/x.md", "<!-- old names -->\n<!-- /old names -->\nasked\n", Kind::User, "asked");
    assert_hit("docs/glossary.md", "| term | replaces |\n|---|---|\n| ask | b |\n", Kind::User, "ask");
    assert_hit("docs/glossary.md", "| term | replaces |\n\n| a | ask |\n", Kind::User, "ask");
    assert_hit("docs/x.md", "| term | replaces |\n|---|---|\n| a | ask |\n", Kind::User, "ask");
    assert_hit("shared/kafka-io/src/a.rs", "struct Refused;", Kind::Name, "refused");
    assert_hit(RS, "struct Fault;", Kind::Name, "fault");
}

#[test]
fn invalid_tables_are_rejected() {
    assert_eq!(Patterns::parse("a\tb\tc").unwrap_err(), "pattern \"a\" has the unknown scope \"c\"");
    assert_eq!(Patterns::parse("a").unwrap_err(), "\"a\" has no replacement");
    assert_eq!(Patterns::parse("_ a\tb").unwrap_err(), "pattern \"_ a\" does not begin with a word");
    assert_eq!(Exceptions::parse("path\ta\t").unwrap_err(), "\"path\\ta\\t\" is no exception with a reason");
}
