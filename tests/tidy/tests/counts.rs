//! The committed counts of findings.

use tidy::counts::{self, Finding};
use tidy::names;
use tidy::tree::{file, files};
use tidy::words::{self, Hit};

#[test]
fn counts_equal_the_committed_ones() {
    let files = files("");
    let mut findings: Vec<Finding> =
        words::search_committed(&files).unwrap().iter().map(Hit::finding).collect();
    findings.extend(names::findings(&files));
    let committed = counts::parse(&file(counts::COUNTS).unwrap().text).unwrap();
    let offences = counts::offences(&committed, &findings);
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn counts_may_only_fall() {
    let text = "docs/x.md:1\tuser\tasked\t-> request".to_owned();
    let found = [Finding { area: "docs".to_owned(), kind: "user".to_owned(), text: text.clone() }];
    let commit = |count: usize| counts::parse(&format!("# c\n\ndocs\tuser\t{count}\n")).unwrap();
    assert_eq!(counts::offences(&commit(1), &found), Vec::<String>::new());
    let above = counts::offences(&commit(0), &found);
    assert!(above.len() == 1 && above[0].contains(&text), "{above:?}");
    let below = counts::offences(&commit(2), &found);
    assert!(below.len() == 1 && below[0].contains("counts --write"), "{below:?}");
    let now = counts::count(&found);
    assert_eq!(counts::parse(&counts::render(&now)).unwrap(), now);
    assert_eq!(counts::parse("a\tb\tc").unwrap_err(), "\"a\\tb\\tc\" is no count");
}
