//! The alert rules.

use yaml_rust2::{Yaml, YamlLoader};

use super::catalogue::Known;
use super::{assert_none, files, promql, root};

pub(crate) const FOLDER: &str = "deploy/helm/tapeline/alerts";

/// A rule, as far as it is looked at here.
pub(crate) struct Alert {
    pub(crate) name: String,
    expression: String,
    severity: String,
    annotations: Vec<(String, String)>,
}

/// Every rule of every file.
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

    /// The path of its page: `TapelineNoProgress` has `docs/runbooks/tapeline-no-progress.md`.
    pub(crate) fn page(&self) -> String {
        let mut kebab = String::new();
        for letter in self.name.chars() {
            if letter.is_ascii_uppercase() && !kebab.is_empty() {
                kebab.push('-');
            }
            kebab.push(letter.to_ascii_lowercase());
        }
        format!("docs/runbooks/{kebab}.md")
    }

    fn annotation(&self, name: &str) -> &str {
        self.annotations.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    fn faults(&self, known: &Known) -> Vec<String> {
        let names = match promql::names(&self.expression) {
            Ok(names) => names,
            Err(fault) => return vec![fault],
        };
        let mut faults = known.faults(&names);
        if !["critical", "warning"].contains(&self.severity.as_str()) {
            faults.push(format!("its severity is {:?}", self.severity));
        }
        for (key, text) in &self.annotations {
            let strangers =
                labels_in(text, "$labels.").into_iter().filter(|label| !known.carries(&names, label));
            faults.extend(strangers.map(|label| format!("{key}: no metric in it has the label {label}")));
        }
        for key in ["summary", "description"] {
            if self.annotation(key).is_empty() {
                faults.push(format!("it has no {key}"));
            }
        }
        if self.annotation("runbook") != self.page() || !root().join(self.page()).exists() {
            faults.push(format!("its page is {}, and has to be there and named", self.page()));
        }
        faults
    }
}

/// The labels that a template names: those behind `start`.
pub(crate) fn labels_in(text: &str, start: &str) -> Vec<String> {
    let is_of_label = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    text.split(start).skip(1).map(|rest| rest.chars().take_while(is_of_label).collect()).collect()
}

#[test]
fn alerts_ask_for_what_is_told_and_have_their_page() {
    let (known, alerts) = (Known::read(), all());
    assert!(alerts.len() >= 15, "only {} alerts were read", alerts.len());
    let faults = |alert: &Alert| {
        alert.faults(&known).into_iter().map(|fault| format!("{}: {fault}", alert.name)).collect::<Vec<_>>()
    };
    assert_none(&alerts.iter().flat_map(faults).collect::<Vec<_>>());
}

#[test]
fn why_an_alert_waits_so_long_stands_above_it() {
    for (file, text) in files(FOLDER, ".yaml") {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2).filter(|pair| pair[1].starts_with("- alert:")) {
            assert!(pair[0].starts_with("# "), "{file}: {} stands without its reason", pair[1]);
        }
    }
}

#[test]
fn each_alert_is_fired_by_a_test() {
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
fn an_alert_that_asks_for_something_else_is_a_fault() {
    let good = "alert: TapelineDeadLetters\nexpr: increase(tapeline_stage_rejected_total[5m]) > 0\n\
                labels: {severity: warning}\nannotations:\n  summary: \"{{ $labels.stage }}\"\n  description: x\n  \
                runbook: docs/runbooks/tapeline-dead-letters.md\n";
    let known = Known::read();
    let count = |text: &str| Alert::of(&YamlLoader::load_from_str(text).unwrap()[0]).faults(&known).len();
    assert_eq!(count(good), 0);
    for (right, wrong) in [
        ("rejected_total", "regected_total"),
        ("severity: warning", "severity: urgent"),
        ("$labels.stage", "$labels.topic"),
        ("description: x", "descripton: x"),
        ("dead-letters.md", "dead-letter.md"),
        ("alert: TapelineDeadLetters", "alert: TapelineNobody"),
    ] {
        assert!(good.contains(right) && count(&good.replace(right, wrong)) >= 1, "{wrong} was let through");
    }
}
