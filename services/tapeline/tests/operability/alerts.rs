//! The alert rules.

use yaml_rust2::{Yaml, YamlLoader};

use super::catalogue::MetricNames;
use super::{assert_none, files, promql, root};

pub(crate) const FOLDER: &str = "deploy/helm/tapeline/alerts";

/// An alert rule.
pub(crate) struct Alert {
    pub(crate) name: String,
    expression: String,
    severity: String,
    annotations: Vec<(String, String)>,
}

/// Returns every rule of every file.
pub(crate) fn all() -> Vec<Alert> {
    let mut alerts = Vec::new();
    for (_, text) in files(FOLDER, ".yaml") {
        let documents = YamlLoader::load_from_str(&text).unwrap();
        for group in documents[0]["groups"].as_vec().unwrap() {
            alerts.extend(group["rules"].as_vec().unwrap().iter().map(Alert::of));
        }
    }
    alerts
}

impl Alert {
    fn of(rule: &Yaml) -> Self {
        let text = |yaml: &Yaml| yaml.as_str().unwrap_or_default().to_owned();
        let annotations = rule["annotations"].as_hash().unwrap();
        Self {
            name: text(&rule["alert"]),
            expression: text(&rule["expr"]),
            severity: text(&rule["labels"]["severity"]),
            annotations: annotations.iter().map(|(key, value)| (text(key), text(value))).collect(),
        }
    }

    /// Returns the path of its runbook: `TapelineNoProgress` has `docs/runbooks/tapeline-no-progress.md`.
    pub(crate) fn runbook(&self) -> String {
        let mut kebab = String::new();
        for c in self.name.chars() {
            if c.is_ascii_uppercase() && !kebab.is_empty() {
                kebab.push('-');
            }
            kebab.push(c.to_ascii_lowercase());
        }
        format!("docs/runbooks/{kebab}.md")
    }

    fn annotation(&self, name: &str) -> &str {
        self.annotations.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    fn errors(&self, metrics: &MetricNames) -> Vec<String> {
        let names = match promql::names(&self.expression) {
            Ok(names) => names,
            Err(error) => return vec![error.to_string()],
        };
        let mut errors = metrics.errors(&names);
        if !["critical", "warning"].contains(&self.severity.as_str()) {
            errors.push(format!("invalid severity {:?}", self.severity));
        }
        for (key, text) in &self.annotations {
            let unknown =
                labels_in(text, "$labels.").into_iter().filter(|label| !metrics.has_label(&names, label));
            errors
                .extend(unknown.map(|label| format!("{key}: no metric of the expression has label {label}")));
        }
        for key in ["summary", "description"] {
            if self.annotation(key).is_empty() {
                errors.push(format!("missing {key}"));
            }
        }
        if self.annotation("runbook_url") != self.runbook() || !root().join(self.runbook()).exists() {
            errors.push(format!("missing runbook {}", self.runbook()));
        }
        errors
    }
}

/// Returns the labels that a template names: those after `start`.
pub(crate) fn labels_in(text: &str, start: &str) -> Vec<String> {
    let is_of_label = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    text.split(start).skip(1).map(|rest| rest.chars().take_while(is_of_label).collect()).collect()
}

#[test]
fn alerts_use_exported_metrics_and_have_runbooks() {
    let (metrics, alerts) = (MetricNames::read(), all());
    assert!(alerts.len() >= 15, "only {} alerts were read", alerts.len());
    let errors = |alert: &Alert| {
        alert.errors(&metrics).into_iter().map(|error| format!("{}: {error}", alert.name)).collect::<Vec<_>>()
    };
    assert_none(&alerts.iter().flat_map(errors).collect::<Vec<_>>());
}

#[test]
fn every_alert_has_a_comment_above_it() {
    for (file, text) in files(FOLDER, ".yaml") {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2).filter(|pair| pair[1].starts_with("- alert:")) {
            assert!(pair[0].starts_with("# "), "{file}: {} has no comment", pair[1]);
        }
    }
}

#[test]
fn every_alert_is_fired_by_a_test() {
    let tests: String = files("deploy/alert-tests", ".yaml").into_iter().map(|(_, text)| text).collect();
    let is_fired = |alert: &Alert| {
        [format!("alertname=\"{}\"", alert.name), format!("alertname: {}\n", alert.name)]
            .iter()
            .any(|named| tests.contains(named))
    };
    let missing: Vec<String> =
        all().into_iter().filter(|alert| !is_fired(alert)).map(|alert| alert.name).collect();
    assert!(missing.is_empty(), "no test fires {missing:?}");
}

#[test]
fn alert_with_unknown_names_is_an_error() {
    let valid = "alert: TapelineDeadLetters\nexpr: increase(tapeline_stage_rejected_total[5m]) > 0\n\
                labels: {severity: warning}\nannotations:\n  summary: \"{{ $labels.stage }}\"\n  description: x\n  \
                runbook_url: docs/runbooks/tapeline-dead-letters.md\n";
    let metrics = MetricNames::read();
    let count = |text: &str| Alert::of(&YamlLoader::load_from_str(text).unwrap()[0]).errors(&metrics).len();
    assert_eq!(count(valid), 0);
    for (text, invalid) in [
        ("rejected_total", "regected_total"),
        ("severity: warning", "severity: urgent"),
        ("$labels.stage", "$labels.topic"),
        ("description: x", "descripton: x"),
        ("dead-letters.md", "dead-letter.md"),
        ("runbook_url:", "runbook:"),
        ("alert: TapelineDeadLetters", "alert: TapelineUnknown"),
    ] {
        assert!(
            valid.contains(text) && count(&valid.replace(text, invalid)) >= 1,
            "{invalid} is not detected"
        );
    }
}
