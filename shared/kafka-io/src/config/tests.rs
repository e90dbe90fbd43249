//! Bounds of the values, and errors of options.

use super::*;

fn keys(config: &KafkaConfig) -> Vec<String> {
    config.errors().into_iter().map(|error| error.key).collect()
}

#[test]
fn defaults_are_valid_on_both_profiles() {
    assert_eq!(keys(&KafkaConfig::default()), Vec::<String>::new());
    assert_eq!(keys(&KafkaConfig::embedded("127.0.0.1:9092")), Vec::<String>::new());
}

#[test]
fn transactions_on_the_embedded_broker_are_invalid() {
    let config = KafkaConfig { delivery: Delivery::Transactional, ..KafkaConfig::embedded("127.0.0.1:1") };
    let errors = config.errors();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().contains("does not isolate them"), "{}", errors[0]);
}

#[test]
fn drain_must_fit_into_poll_interval_and_transaction() {
    let config = KafkaConfig { drain_budget_ms: 10_000.into(), ..KafkaConfig::default() };
    assert_eq!(keys(&config), ["drain_budget_ms"]);
    let config = KafkaConfig {
        max_poll_interval_ms: 12_000.into(),
        session_timeout_ms: 6_000.into(),
        ..KafkaConfig::default()
    };
    assert_eq!(keys(&config), ["drain_budget_ms"]);
}

#[test]
fn engine_options_are_rejected_and_all_errors_returned() {
    let mut config = KafkaConfig { brokers: "kafka".to_owned(), ..KafkaConfig::default() };
    for key in ["acks", "auto.offset.reset", "fetch.max.bytes", "fetch.max.byte"] {
        config.options.insert(key.to_owned(), "1".to_owned());
    }
    assert_eq!(
        keys(&config),
        ["brokers", "options.acks", "options.auto.offset.reset", "options.fetch.max.byte"]
    );
}

#[test]
fn watchdog_shorter_than_an_ordinary_fetch_is_invalid() {
    let with = |watchdog_ms: u32| KafkaConfig { watchdog_ms: watchdog_ms.into(), ..KafkaConfig::default() };
    assert_eq!(keys(&with(999)), ["watchdog_ms"]);
    assert_eq!(keys(&with(1_000)), Vec::<String>::new());
}

#[test]
fn call_deadline_precedes_the_transaction_timeout() {
    let with = |call_deadline_ms: u32, transaction_timeout_ms: u32| KafkaConfig {
        call_deadline_ms: call_deadline_ms.into(),
        transaction_timeout_ms: transaction_timeout_ms.into(),
        ..KafkaConfig::default()
    };
    assert_eq!(keys(&with(1_499, 15_000)), ["call_deadline_ms"]);
    assert_eq!(keys(&with(1_500, 15_000)), Vec::<String>::new());
    let bounds =
        |config: &KafkaConfig| (config.call_timeout().as_millis(), config.call_deadline().as_millis());
    assert_eq!(bounds(&KafkaConfig::default()), (5_000, 7_500));
    assert_eq!(bounds(&with(60_000, 15_000)), (10_000, 15_000));
}

#[test]
fn wait_for_topics_is_at_most_a_day() {
    let with =
        |topics_wait_ms: u32| KafkaConfig { topics_wait_ms: topics_wait_ms.into(), ..KafkaConfig::default() };
    assert_eq!(keys(&with(86_400_001)), ["topics_wait_ms"]);
    assert_eq!(keys(&with(86_400_000)), Vec::<String>::new());
    assert_eq!(keys(&with(0)), Vec::<String>::new());
}

#[test]
fn ordinal_is_configured_or_derived_from_the_host() {
    assert_eq!(KafkaConfig { ordinal: 3, ..KafkaConfig::default() }.instance(), 3);
    let named = KafkaConfig { ordinal_from_host: true, ..KafkaConfig::default() };
    assert_eq!((keys(&named), named.instance()), (vec![], host_name::ordinal(&host_name::name().unwrap())));
    assert_eq!(keys(&KafkaConfig { ordinal: 3, ..named }), ["ordinal_from_host"]);
}

#[test]
fn unknown_key_is_rejected() {
    let error = serde_json::from_str::<KafkaConfig>(r#"{"broker":"a:1"}"#).unwrap_err();
    assert!(error.to_string().contains("broker"), "{error}");
}

#[test]
fn times_are_read_and_shown_as_integers() {
    let config: KafkaConfig = serde_json::from_str(r#"{"linger_ms":7}"#).unwrap();
    assert_eq!(config.linger_ms, 7.into());
    assert_eq!(serde_json::to_value(&config).unwrap()["linger_ms"], serde_json::json!(7));
    for value in ["-1", "4294967296", "\"soon\"", "1.5"] {
        let text = format!("{{\"linger_ms\":{value}}}");
        let (read, plain) =
            (serde_json::from_str::<KafkaConfig>(&text).unwrap_err(), serde_json::from_str::<u32>(value));
        let [read, plain] = [read, plain.unwrap_err()].map(|error| error.to_string());
        let (read, plain) = (read.split(" at line").next(), plain.split(" at line").next());
        assert_eq!(read, plain, "{value}");
    }
}
