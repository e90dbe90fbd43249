//! The runbooks and the upgrade guide: a page an alert, and nothing in them that isn't there.

use std::collections::BTreeSet;
use std::fs;

use clap::CommandFactory;
use tapeline::cli::Cli;

use super::catalogue::Known;
use super::{alerts, assert_none, files, root};

/// Pages that belong to no alert.
const OTHERS: [&str; 2] = ["growing-partitions.md", "resetting-offsets.md"];

/// What each alert's page says, in this order.
const HEADINGS: [&str; 5] =
    ["## What it means", "## What it costs", "## How to look", "## What to do", "## When to wake somebody"];

fn guides() -> Vec<(String, String)> {
    let mut guides = files("docs/runbooks", ".md");
    guides.push(("upgrade.md".to_owned(), fs::read_to_string(root().join("docs/upgrade.md")).unwrap()));
    guides
}

/// The lines of the page's `sh` blocks that ask for our own command, continued lines as one.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for block in text.split("```sh\n").skip(1) {
        let block = block.split("```").next().unwrap_or("").replace("\\\n", " ");
        let lines = block.lines().map(|line| line.split(" #").next().unwrap_or("").trim().to_owned());
        commands.extend(lines.filter(|line| line.starts_with("tapeline ")));
    }
    commands
}

/// Words between backticks that look like metrics.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let namespaces = ["tapeline_stage_", "tapeline_registry_", "chassis_", "publisher_edge_"];
    words.filter(|word| namespaces.iter().any(|it| word.starts_with(it))).map(str::to_owned).collect()
}

#[test]
fn each_alert_has_a_page_and_each_page_an_alert() {
    let expected: BTreeSet<String> = alerts::all().iter().map(alerts::Alert::page).collect();
    let pages = files("docs/runbooks", ".md");
    let found: BTreeSet<String> = pages
        .iter()
        .filter(|(name, _)| !OTHERS.contains(&name.as_str()))
        .map(|(name, _)| format!("docs/runbooks/{name}"))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(pages.len(), found.len() + OTHERS.len());
    for (name, text) in pages.iter().filter(|(name, _)| !OTHERS.contains(&name.as_str())) {
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(headings, HEADINGS, "{name}");
        let alert = alerts::all().into_iter().find(|alert| alert.page().ends_with(name.as_str())).unwrap();
        assert!(text.starts_with(&format!("# {}\n", alert.name)), "{name} isn't called {}", alert.name);
    }
}

#[test]
fn pages_name_metrics_that_are_told() {
    let known = Known::read();
    let mut faults = Vec::new();
    for (name, text) in guides() {
        let strangers = metrics(&text).into_iter().filter(|metric| !known.tells(metric));
        faults.extend(strangers.map(|metric| format!("{name} names {metric}")));
    }
    assert_none(&faults);
}

#[test]
fn pages_ask_for_commands_that_there_are() {
    let (mut faults, mut seen) = (Vec::new(), 0);
    for (name, text) in guides() {
        for command in commands(&text) {
            seen += 1;
            if let Err(error) = Cli::command().try_get_matches_from(command.split_whitespace()) {
                faults.push(format!("{name}: {command}: {error}"));
            }
        }
    }
    assert_none(&faults);
    assert!(seen >= 10, "only {seen} commands were found");
}

#[test]
fn what_a_page_must_not_say_is_seen() {
    assert_eq!(
        commands("```sh\ntapeline lag \\\n  --group a  # why\ncurl x\n```\ntapeline no\n"),
        ["tapeline lag    --group a"]
    );
    assert_eq!(metrics("`tapeline_stage_x > 0` and chassis_y, tapeline.feature").len(), 2);
    assert!(Cli::command().try_get_matches_from(["tapeline", "lagg"]).is_err());
}
