//! The runbooks and the upgrade guide: one runbook for each alert, with metrics and commands that exist.

use std::collections::BTreeSet;
use std::fs;

use clap::CommandFactory;
use tapeline::cli::Cli;

use super::catalogue::MetricNames;
use super::{alerts, assert_none, files, root};

/// Pages without an alert.
const OTHERS: [&str; 2] = ["growing-partitions.md", "resetting-offsets.md"];

/// The sections of each runbook, in order.
const HEADINGS: [&str; 4] = ["## Impact", "## Diagnosis", "## Mitigation", "## Escalation"];

/// Start of the part of the upgrade guide that lists renamed metrics.
const OLD_NAMES: &str = "<!-- old names -->";

fn guides() -> Vec<(String, String)> {
    let mut guides = files("docs/runbooks", ".md");
    let upgrade = fs::read_to_string(root().join("docs/upgrade.md")).unwrap();
    let current = upgrade.split(OLD_NAMES).next().unwrap_or("").to_owned();
    guides.push(("upgrade.md".to_owned(), current));
    guides
}

/// Returns the lines of the page's `sh` blocks that run `tapeline`, with continued lines joined.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for block in text.split("```sh\n").skip(1) {
        let block = block.split("```").next().unwrap_or("").replace("\\\n", " ");
        let lines = block.lines().map(|line| line.split(" #").next().unwrap_or("").trim().to_owned());
        commands.extend(lines.filter(|line| line.starts_with("tapeline ")));
    }
    commands
}

/// Returns the words with the prefix of a metric.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let namespaces = ["tapeline_stage_", "tapeline_registry_", "chassis_", "publisher_edge_"];
    words.filter(|word| namespaces.iter().any(|it| word.starts_with(it))).map(str::to_owned).collect()
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let expected: BTreeSet<String> = alerts::all().iter().map(alerts::Alert::runbook).collect();
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
        let alert = alerts::all().into_iter().find(|alert| alert.runbook().ends_with(name.as_str())).unwrap();
        assert!(
            text.starts_with(&format!("# {}\n", alert.name)),
            "the title of {name} is not {}",
            alert.name
        );
    }
}

#[test]
fn pages_name_exported_metrics() {
    let known = MetricNames::read();
    let mut errors = Vec::new();
    for (name, text) in guides() {
        let unknown = metrics(&text).into_iter().filter(|metric| !known.has_metric(metric));
        errors.extend(unknown.map(|metric| format!("{name} names {metric}")));
    }
    assert_none(&errors);
}

#[test]
fn pages_name_commands_that_exist() {
    let (mut errors, mut found) = (Vec::new(), 0);
    for (name, text) in guides() {
        for command in commands(&text) {
            found += 1;
            if let Err(error) = Cli::command().try_get_matches_from(command.split_whitespace()) {
                errors.push(format!("{name}: {command}: {error}"));
            }
        }
    }
    assert_none(&errors);
    assert!(found >= 10, "only {found} commands found");
}

#[test]
fn commands_and_metrics_are_extracted() {
    assert_eq!(
        commands("```sh\ntapeline lag \\\n  --group a  # why\ncurl x\n```\ntapeline no\n"),
        ["tapeline lag    --group a"]
    );
    assert_eq!(metrics("`tapeline_stage_x > 0` and chassis_y, tapeline.feature").len(), 2);
    let error = Cli::command().try_get_matches_from(["tapeline", "lagg"]).unwrap_err();
    assert_eq!(error.kind(), clap::error::ErrorKind::InvalidSubcommand);
}
