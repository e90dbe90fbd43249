use super::*;
use crate::config::KafkaConfig;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

fn keys(security: Security) -> Vec<String> {
    let config = KafkaConfig { security, ..KafkaConfig::default() };
    config.errors().into_iter().map(|error| error.key).collect()
}

fn login() -> Security {
    Security {
        protocol: Protocol::SaslSsl,
        ca_file: Some(FILE.into()),
        username: Some("feature".to_owned()),
        password: Secret::new("hunter2"),
        ..Security::default()
    }
}

#[test]
fn valid_login_over_tls_is_passed_to_the_client() {
    assert_eq!(keys(login()), Vec::<String>::new());
    let mut options = ClientConfig::default();
    login().apply_to(&mut options);
    let expected = [
        ("security.protocol", "sasl_ssl"),
        ("ssl.ca.location", FILE),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "feature"),
        ("sasl.password", "hunter2"),
    ];
    for (key, value) in expected {
        assert_eq!(options.get(key), Some(value), "{key}");
    }
}

#[test]
fn settings_that_contradict_the_protocol_are_all_invalid() {
    let in_clear = Security { protocol: Protocol::Plaintext, mechanism: Mechanism::Plain, ..login() };
    let all = ["security.ca_file", "security.username", "security.password", "security.mechanism"];
    assert_eq!(keys(in_clear), all);
    let without_login = Security { protocol: Protocol::SaslSsl, ..Security::default() };
    assert_eq!(keys(without_login), ["security.username", "security.password"]);
    let no_name = Security { username: None, ..login() };
    assert_eq!(keys(no_name), ["security.username"]);
}

#[test]
fn certificate_without_key_and_missing_file_are_invalid() {
    let halved = Security { certificate_file: Some(FILE.into()), key_password: Secret::new("x"), ..login() };
    assert_eq!(keys(halved), ["security.key_file", "security.key_password"]);
    let config = KafkaConfig {
        security: Security { ca_file: Some("/missing/ca.pem".into()), ..login() },
        ..KafkaConfig::default()
    };
    let error = config.errors().remove(0).to_string();
    assert!(error.contains("/missing/ca.pem") && error.contains("No such file"), "{error}");
}

#[test]
fn security_of_the_embedded_broker_is_invalid() {
    let config = KafkaConfig { security: login(), ..KafkaConfig::embedded("127.0.0.1:1") };
    assert_eq!(config.errors()[0].key, "security.protocol");
}

#[test]
fn secrets_are_redacted_in_debug_serialization_and_errors() {
    let mut config = KafkaConfig {
        security: Security { protocol: Protocol::Plaintext, key_password: Secret::new("hunter2"), ..login() },
        ..KafkaConfig::default()
    };
    config.options.insert("sasl.password".to_owned(), "hunter2".to_owned());
    config.options.insert("ssl.key.pem".to_owned(), "hunter2".to_owned());
    let errors = config.errors();
    let named = |key: &str| errors.iter().any(|error| error.key == key);
    assert!(named("options.sasl.password") && named("options.ssl.key.pem"), "{errors:?}");
    config.options.clear();
    let shown =
        format!("{config:?} {} {errors:?} {}", serde_json::to_string(&config).unwrap(), config.security);
    assert!(!shown.contains("hunter2") && shown.contains(REDACTED), "{shown}");
}

#[test]
fn names_match_the_configuration_reference() {
    for (text, mechanism) in [
        ("scram-sha-512", Mechanism::ScramSha512),
        ("scram-sha-256", Mechanism::ScramSha256),
        ("plain", Mechanism::Plain),
    ] {
        assert_eq!(serde_json::from_str::<Mechanism>(&format!("{text:?}")).unwrap(), mechanism);
    }
    assert_eq!(serde_json::from_str::<Protocol>("\"sasl_ssl\"").unwrap(), Protocol::SaslSsl);
}
