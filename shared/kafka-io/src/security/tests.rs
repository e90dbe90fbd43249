use super::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

fn keys(security: Security) -> Vec<String> {
    let config = KafkaConfig { security, ..KafkaConfig::default() };
    config.errors().into_iter().map(|fault| fault.key).collect()
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
fn a_login_over_tls_is_sound_and_reaches_the_client() {
    assert_eq!(keys(login()), Vec::<String>::new());
    let mut options = ClientConfig::default();
    login().lay(&mut options);
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
fn what_contradicts_the_protocol_is_refused_with_every_fault_at_once() {
    let in_clear = Security { protocol: Protocol::Plaintext, mechanism: Mechanism::Plain, ..login() };
    let all = ["security.ca_file", "security.username", "security.password", "security.mechanism"];
    assert_eq!(keys(in_clear), all);
    let nobody = Security { protocol: Protocol::SaslSsl, ..Security::default() };
    assert_eq!(keys(nobody), ["security.username", "security.password"]);
    let no_name = Security { username: None, ..login() };
    assert_eq!(keys(no_name), ["security.username"]);
}

#[test]
fn a_certificate_without_its_key_and_a_missing_file_are_refused() {
    let halved = Security { certificate_file: Some(FILE.into()), key_password: Secret::new("x"), ..login() };
    assert_eq!(keys(halved), ["security.key_file", "security.key_password"]);
    let config = KafkaConfig {
        security: Security { ca_file: Some("/nowhere/ca.pem".into()), ..login() },
        ..KafkaConfig::default()
    };
    let fault = config.errors().remove(0).to_string();
    assert!(fault.contains("/nowhere/ca.pem") && fault.contains("No such file"), "{fault}");
}

#[test]
fn the_embedded_broker_takes_no_security() {
    let config = KafkaConfig { security: login(), ..KafkaConfig::embedded("127.0.0.1:1") };
    assert_eq!(config.errors()[0].key, "security.protocol");
}

#[test]
fn no_secret_is_shown_by_debug_by_serialising_or_by_a_fault() {
    let mut config = KafkaConfig {
        security: Security { protocol: Protocol::Plaintext, key_password: Secret::new("hunter2"), ..login() },
        ..KafkaConfig::default()
    };
    config.options.insert("sasl.password".to_owned(), "hunter2".to_owned());
    config.options.insert("ssl.key.pem".to_owned(), "hunter2".to_owned());
    let faults = config.errors();
    let named = |key: &str| faults.iter().any(|fault| fault.key == key);
    assert!(named("options.sasl.password") && named("options.ssl.key.pem"), "{faults:?}");
    config.options.clear();
    let shown =
        format!("{config:?} {} {faults:?} {}", serde_json::to_string(&config).unwrap(), config.security);
    assert!(!shown.contains("hunter2") && shown.contains(REDACTED), "{shown}");
}

#[test]
fn names_are_those_of_the_configuration_page() {
    for (text, mechanism) in [
        ("scram-sha-512", Mechanism::ScramSha512),
        ("scram-sha-256", Mechanism::ScramSha256),
        ("plain", Mechanism::Plain),
    ] {
        assert_eq!(serde_json::from_str::<Mechanism>(&format!("{text:?}")).unwrap(), mechanism);
    }
    assert_eq!(serde_json::from_str::<Protocol>("\"sasl_ssl\"").unwrap(), Protocol::SaslSsl);
}
