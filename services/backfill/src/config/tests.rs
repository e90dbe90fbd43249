//! Rules of the configuration. The chassis tests its layers.

use chassis::config::{ErrorCollector, load, load_with_renames};

use super::*;

fn errors_of(env: &[(&str, &str)]) -> Vec<String> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let loaded = load::<BackfillConfig>("BACKFILL", None, env);
    loaded.map_or_else(|errors| errors.iter().map(ToString::to_string).collect(), |_| Vec::new())
}

#[test]
fn defaults_are_valid_and_equal_those_of_the_rules() {
    assert_eq!(errors_of(&[]), [""; 0]);
    let config = BackfillConfig::default();
    assert_eq!(config.planner.planner(), Planner::default());
    let settings = config.executor.settings();
    assert_eq!(settings.limits, Limits::default());
    assert_eq!(settings.chunk_days, ChunkDays::default());
    assert_eq!(settings.timeframes, Timeframes::default());
}

#[test]
fn all_errors_are_reported_at_once_with_key_and_value() {
    let errors = errors_of(&[
        ("BACKFILL__PLANNER__LIQUID", "market_data,bars"),
        ("BACKFILL__PLANNER__GAP_LAYER", "4"),
        ("BACKFILL__EXECUTOR__TIMEFRAMES", "2min"),
        ("BACKFILL__EXECUTOR__GATHER_MAX_MS", "5"),
        ("BACKFILL__EXECUTOR__ATTEMPTS", "3"),
        ("BACKFILL__SOURCE__KIND", "csv"),
    ]);
    let all = errors.join("\n");
    for part in [
        "planner.liquid = bars (BACKFILL__PLANNER__LIQUID): must be of corporate_actions,",
        "planner.gap_layer = 4 (BACKFILL__PLANNER__GAP_LAYER): must be 0 to 3",
        "executor.timeframes = 2min (BACKFILL__EXECUTOR__TIMEFRAMES): must be of 1min, 5min, 1hour, 1day",
        "executor.gather_max_ms = 5 (BACKFILL__EXECUTOR__GATHER_MAX_MS): must be at least gather_ms",
        "executor.attempts (BACKFILL__EXECUTOR__ATTEMPTS): unknown key",
        "source.folder",
    ] {
        assert!(all.contains(part), "{part} is missing in\n{all}");
    }
    assert_eq!(errors.len(), 6, "{all}");
}

#[test]
fn part_that_is_not_built_is_named_in_the_error() {
    let section = SourceSection {
        kind: SourceKind::Files,
        bucket: "history".to_owned(),
        path_pattern: "{timeframe}/{symbol}.parquet".to_owned(),
        ..SourceSection::default()
    };
    let errors_with = |features: &[&str]| {
        let mut errors = ErrorCollector::new();
        section.validate_features(features, &mut errors);
        errors.into_errors().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(errors_with(&["security", "parquet", "s3"]), [""; 0]);
    for (part, key) in [("s3", "bucket"), ("parquet", "path_pattern")] {
        let other = if part == "s3" { "parquet" } else { "s3" };
        let errors = errors_with(&[other]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].starts_with(key) && errors[0].contains(&format!("lacks the feature `{part}`")),
            "{errors:?}"
        );
    }
}

#[test]
fn durations_are_integers_of_milliseconds() {
    let errors = errors_of(&[("BACKFILL__EXECUTOR__GATHER_MS", "2s")]);
    assert!(errors.len() == 1 && errors[0].contains("executor.gather_ms = 2s"), "{errors:?}");
    assert!(errors[0].contains("must be a whole number; for example 2000"), "{errors:?}");
    let shown = serde_json::to_value(ExecutorSection::default()).unwrap();
    assert_eq!((&shown["gather_ms"], &shown["dedup_window_ms"]), (&2_000.into(), &3_600_000.into()));
}

#[test]
fn market_of_day_bars_plans_and_fetches_nothing_else() {
    let mut config = BackfillConfig::default();
    config.market_data_in_day_bars();
    let planner = config.planner.planner();
    assert!(planner.layer_data_types.iter().all(|types| *types == [DataType::MarketData]));
    let timeframes = config.executor.settings().timeframes;
    let of_active: Vec<_> = timeframes.of(Layer::Active, DataType::MarketData).collect();
    assert_eq!(of_active, [Some(Timeframe::Day1)]);
}

#[test]
fn old_name_of_workers_max_is_accepted_and_reported() {
    let env = [("BACKFILL__EXECUTOR__WORKERS".to_owned(), "2".to_owned())];
    let loaded = load_with_renames::<BackfillConfig>("BACKFILL", None, env.into_iter()).unwrap();
    let ExecutorSection { workers_min, workers_max, running_max, .. } = loaded.config.executor;
    assert_eq!((workers_min, workers_max, running_max), (1, 2, 3));
    assert_eq!((loaded.renamed.len(), loaded.renamed[0].new), (1, "executor.workers_max"));
}

#[test]
fn worker_numbers_out_of_order_are_an_error() {
    let errors = errors_of(&[("BACKFILL__EXECUTOR__WORKERS_MIN", "4")]);
    assert!(errors.len() == 1 && errors[0].contains("executor.workers_min = 4"), "{errors:?}");
    assert!(errors[0].contains("must be 1 to workers_max"), "{errors:?}");
    for (key, value) in [("WORKERS_MIN", "0"), ("WORKERS_MAX", "0"), ("WORKERS_MAX", "65")] {
        let errors = errors_of(&[(&format!("BACKFILL__EXECUTOR__{key}"), value)]);
        assert_eq!(errors.len(), 1, "{key} {value}: {errors:?}");
    }
}

#[test]
fn alpaca_requires_a_key_and_shows_none() {
    let kind = ("BACKFILL__SOURCE__KIND", "alpaca");
    let errors =
        errors_of(&[kind, ("BACKFILL__SOURCE__SECRET", "hun\nter2"), ("BACKFILL__SOURCE__ASOF", "now")]);
    let all = errors.join("\n");
    assert!(errors.len() == 3 && !all.contains("ter2"), "{all}");
    for part in ["source.key_id", "source.secret", "source.asof = now (BACKFILL__SOURCE__ASOF)"] {
        assert!(all.contains(part), "{part} is missing in\n{all}");
    }
    let key = [("BACKFILL__SOURCE__KEY_ID", "PK1"), ("BACKFILL__SOURCE__SECRET", "hunter2")];
    assert_eq!(errors_of(&[kind, key[0], key[1]]), [""; 0]);
    let url = ("BACKFILL__SOURCE__URL", "https://me:hunter2@host/path");
    let all = errors_of(&[kind, key[0], key[1], url]).join("\n");
    assert!(all.contains("source.url = https://[redacted]@host/path"), "{all}");
}

#[test]
fn settings_of_files_are_checked_with_their_cause() {
    let errors = errors_of(&[
        ("BACKFILL__SOURCE__KIND", "files"),
        ("BACKFILL__SOURCE__PATH_PATTERN", "{ticker}.csv"),
        ("BACKFILL__SOURCE__TIME_ZONE", "New York"),
        ("BACKFILL__SOURCE__COLUMNS", "time=timestamp,price=close"),
    ]);
    let all = errors.join("\n");
    for part in [
        "source.folder",
        "source.path_pattern = {ticker}.csv (BACKFILL__SOURCE__PATH_PATTERN): must be a path pattern ({ticker} is no",
        "source.time_zone = New York",
        "source.columns = price=close",
    ] {
        assert!(all.contains(part), "{part} is missing in\n{all}");
    }
    assert_eq!(errors.len(), 4, "{all}");
    let zone = SourceSection { time_zone: "Europe/Berlin".to_owned(), ..SourceSection::default() }.zone();
    assert!(zone.is_some() && SourceSection::default().zone().is_none());
}

#[test]
#[cfg(feature = "s3")]
fn bucket_needs_a_key_and_may_have_no_folder() {
    let set = |name: &str, value: &str| (format!("BACKFILL__SOURCE__{name}"), value.to_owned());
    let errors_with = |more: &[(&str, &str)]| {
        let all: Vec<_> = [("KIND", "files"), ("BUCKET", "history")]
            .iter()
            .chain(more)
            .map(|(name, value)| set(name, value))
            .collect();
        errors_of(&all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>())
    };
    let key = [("KEY_ID", "AKIA"), ("SECRET", "hunter2")];
    assert_eq!(errors_with(&key), [""; 0]);
    let all = errors_with(&[("SECRET", "hun\nter2")]).join("\n");
    assert!(all.contains("source.key_id") && all.contains("source.secret") && !all.contains("ter2"), "{all}");
    for (name, value) in [
        ("BUCKET", "a/b"),
        ("REGION", ""),
        ("ENDPOINT", "minio:9000"),
        ("ENDPOINT", "http://minio/path"),
        ("FOLDER", "../other"),
    ] {
        let errors = errors_with(&[key[0], key[1], (name, value)]);
        assert!(errors.len() == 1 && errors[0].contains(&name.to_lowercase()), "{name} {value}: {errors:?}");
    }
    let section = |endpoint: &str, path_style| SourceSection {
        bucket: "history".to_owned(),
        endpoint: endpoint.to_owned(),
        path_style,
        ..SourceSection::default()
    };
    let address =
        |endpoint: &str, path_style| section(endpoint, path_style).endpoint_url().unwrap().to_string();
    assert_eq!(address("", true), "https://s3.us-east-1.amazonaws.com/");
    assert_eq!(address("", false), "https://history.s3.us-east-1.amazonaws.com/");
    assert_eq!(address("http://minio:9000", false), "http://history.minio:9000/");
}
