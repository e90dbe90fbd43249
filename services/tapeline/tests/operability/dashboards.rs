//! The dashboards.

use serde_json::Value;

use super::catalogue::Known;
use super::{assert_none, files, promql};

pub(crate) const FOLDER: &str = "deploy/helm/tapeline/dashboards";

/// What is wrong with a dashboard.
fn faults(dashboard: &Value, known: &Known) -> Vec<String> {
    let mut faults = Vec::new();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    if names != ["datasource", "service", "instance"] {
        faults.push(format!("its variables are {names:?}"));
    }
    faults.extend(variables.iter().filter_map(|variable| fault_of_variable(variable, known)));
    let mut ids = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        ids.push(panel["id"].as_u64().unwrap());
        let title = panel["title"].as_str().unwrap();
        if panel["type"] == "row" {
            continue;
        }
        for target in panel["targets"].as_array().unwrap() {
            let found = faults_of_target(target, known);
            faults.extend(found.into_iter().map(|fault| format!("{title}: {fault}")));
        }
    }
    ids.dedup();
    if ids.len() != dashboard["panels"].as_array().unwrap().len() {
        faults.push("two panels have one id".to_owned());
    }
    faults
}

fn faults_of_target(target: &Value, known: &Known) -> Vec<String> {
    let expression = target["expr"].as_str().unwrap();
    let names = match promql::names(expression) {
        Ok(names) => names,
        Err(fault) => return vec![fault],
    };
    let mut faults = known.faults(&names);
    if target["datasource"]["uid"] != "${datasource}" {
        faults.push("it has another source than the variable".to_owned());
    }
    for variable in ["service", "instance"] {
        let value = format!("${variable}");
        let follows =
            |used: &promql::Use| used.matchers.iter().any(|it| it.label == variable && it.value == value);
        if !names.uses.iter().all(follows) {
            faults.push(format!("it doesn't follow the variable {variable}"));
        }
    }
    let is_aggregated = expression.contains("sum by") || expression.contains("max by");
    for label in super::alerts::labels_in(target["legendFormat"].as_str().unwrap(), "{{") {
        let is_there =
            if is_aggregated { names.grouped.contains(&label) } else { known.carries(&names, &label) };
        if !is_there {
            faults.push(format!("its legend names {label}, which it doesn't give"));
        }
    }
    faults
}

/// `label_values(metric, label)`, the one form that ours have.
fn fault_of_variable(variable: &Value, known: &Known) -> Option<String> {
    if variable["type"] != "query" {
        return None;
    }
    let query = variable["query"]["query"].as_str().unwrap();
    let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let Some((metric, label)) = inner.and_then(|inner| inner.rsplit_once(", ")) else {
        return Some(format!("{query} is no label_values(metric, label)"));
    };
    let names = match promql::names(metric) {
        Ok(names) => names,
        Err(fault) => return Some(fault),
    };
    let carried = known.carries(&names, label);
    known.faults(&names).into_iter().next().or((!carried).then(|| format!("{query}: no such label")))
}

#[test]
fn panels_ask_for_what_is_told() {
    let known = Known::read();
    let dashboards = files(FOLDER, ".json");
    let names: Vec<&str> = dashboards.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["backfill.json", "feature.json", "overview.json", "publisher.json", "scanner-bridge.json"]
    );
    for (name, text) in &dashboards {
        let found = faults(&serde_json::from_str(text).unwrap(), &known);
        assert_none(&found.into_iter().map(|fault| format!("{name}: {fault}")).collect::<Vec<_>>());
    }
}

#[test]
fn a_panel_that_asks_for_something_else_is_a_fault() {
    let known = Known::read();
    let (_, text) = files(FOLDER, "overview.json").remove(0);
    let count = |text: &str| faults(&serde_json::from_str(text).unwrap(), &known).len();
    assert_eq!(count(&text), 0);
    for (right, wrong) in [
        ("tapeline_stage_lag_seconds", "tapeline_stage_lag_minutes"),
        ("outcome=\\\"failed\\\"", "outcome=\\\"broken\\\""),
        ("by (service, stage, reason)", "by (service, stage, cause)"),
        ("\"{{service}} {{stage}}\"", "\"{{service}} {{topic}}\""),
        ("instance=~\\\"$instance\\\"", "instance=~\\\".*\\\""),
        ("\"uid\": \"${datasource}\"", "\"uid\": \"prometheus\""),
        ("label_values(chassis_process_start_seconds, service)", "label_values(up_since, service)"),
    ] {
        assert!(text.contains(right), "{right} is not in it");
        assert!(count(&text.replace(right, wrong)) >= 1, "{wrong} was let through");
    }
}
