//! The dashboards use exported metrics.

use serde_json::Value;

use super::catalogue::MetricNames;
use super::{assert_none, files, promql};

pub(crate) const FOLDER: &str = "deploy/helm/tapeline/dashboards";

/// Returns the errors of a dashboard.
fn errors(dashboard: &Value, metrics: &MetricNames) -> Vec<String> {
    let mut errors = Vec::new();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    if names != ["datasource", "service", "instance"] {
        errors.push(format!("invalid variables {names:?}"));
    }
    errors.extend(variables.iter().filter_map(|variable| error_of_variable(variable, metrics)));
    let mut ids = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        ids.push(panel["id"].as_u64().unwrap());
        let title = panel["title"].as_str().unwrap();
        if panel["type"] == "row" {
            continue;
        }
        for target in panel["targets"].as_array().unwrap() {
            let found = errors_of_target(target, metrics);
            errors.extend(found.into_iter().map(|error| format!("{title}: {error}")));
        }
    }
    ids.dedup();
    if ids.len() != dashboard["panels"].as_array().unwrap().len() {
        errors.push("two panels have the same id".to_owned());
    }
    errors
}

fn errors_of_target(target: &Value, metrics: &MetricNames) -> Vec<String> {
    let expression = target["expr"].as_str().unwrap();
    let names = match promql::names(expression) {
        Ok(names) => names,
        Err(error) => return vec![error.to_string()],
    };
    let mut errors = metrics.errors(&names);
    if target["datasource"]["uid"] != "${datasource}" {
        errors.push("datasource is not the variable".to_owned());
    }
    for variable in ["service", "instance"] {
        let value = format!("${variable}");
        let follows =
            |used: &promql::Use| used.matchers.iter().any(|it| it.label == variable && it.value == value);
        if !names.uses.iter().all(follows) {
            errors.push(format!("variable {variable} is not used"));
        }
    }
    let is_aggregated = expression.contains("sum by") || expression.contains("max by");
    for label in super::alerts::labels_in(target["legendFormat"].as_str().unwrap(), "{{") {
        let is_present =
            if is_aggregated { names.grouped.contains(&label) } else { metrics.has_label(&names, &label) };
        if !is_present {
            errors.push(format!("label {label} of the legend is missing in the result"));
        }
    }
    errors
}

/// Returns the error of a variable, which must be `label_values(metric, label)`.
fn error_of_variable(variable: &Value, metrics: &MetricNames) -> Option<String> {
    if variable["type"] != "query" {
        return None;
    }
    let query = variable["query"]["query"].as_str().unwrap();
    let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let Some((metric, label)) = inner.and_then(|inner| inner.rsplit_once(", ")) else {
        return Some(format!("{query} is not label_values(metric, label)"));
    };
    let names = match promql::names(metric) {
        Ok(names) => names,
        Err(error) => return Some(error.to_string()),
    };
    let has_label = metrics.has_label(&names, label);
    metrics.errors(&names).into_iter().next().or((!has_label).then(|| format!("{query}: unknown label")))
}

#[test]
fn panels_use_exported_metrics() {
    let metrics = MetricNames::read();
    let dashboards = files(FOLDER, ".json");
    let names: Vec<&str> = dashboards.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["backfill.json", "feature.json", "overview.json", "publisher.json", "scanner-bridge.json"]
    );
    for (name, text) in &dashboards {
        let found = errors(&serde_json::from_str(text).unwrap(), &metrics);
        assert_none(&found.into_iter().map(|error| format!("{name}: {error}")).collect::<Vec<_>>());
    }
}

#[test]
fn panel_with_unknown_names_is_an_error() {
    let metrics = MetricNames::read();
    let (_, text) = files(FOLDER, "overview.json").remove(0);
    let count = |text: &str| errors(&serde_json::from_str(text).unwrap(), &metrics).len();
    assert_eq!(count(&text), 0);
    for (part, invalid) in [
        ("tapeline_stage_lag_seconds", "tapeline_stage_lag_minutes"),
        ("outcome=\\\"failed\\\"", "outcome=\\\"broken\\\""),
        ("by (service, stage, reason)", "by (service, stage, cause)"),
        ("\"{{service}} {{stage}}\"", "\"{{service}} {{topic}}\""),
        ("instance=~\\\"$instance\\\"", "instance=~\\\".*\\\""),
        ("\"uid\": \"${datasource}\"", "\"uid\": \"prometheus\""),
        ("label_values(chassis_process_start_seconds, service)", "label_values(up_since, service)"),
    ] {
        assert!(text.contains(part), "{part} is missing");
        assert!(count(&text.replace(part, invalid)) >= 1, "{invalid} is not detected");
    }
}
