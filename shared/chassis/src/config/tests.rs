//! Tests of the layers, the keys and the errors.

use std::collections::BTreeMap;
use std::io::Write;

use serde::{Deserialize, Serialize};

use super::*;

mod file_text;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Kafka {
    brokers: Vec<String>,
    password: Secret,
    options: BTreeMap<String, String>,
    rack: Option<String>,
    depth: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Bridge {
    kafka: Kafka,
    window_ms: u64,
    rate: f64,
    mode: Mode,
    eager: bool,
    alerts: Alerts,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Alerts {
    linger_ms: u64,
    token: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    AtLeastOnce,
    ExactlyOnce,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            brokers: vec!["localhost:9092".to_owned()],
            password: Secret::default(),
            options: BTreeMap::new(),
            rack: None,
            depth: None,
        }
    }
}

impl Default for Bridge {
    fn default() -> Self {
        Self {
            kafka: Kafka::default(),
            window_ms: 300_000,
            rate: 5.0,
            mode: Mode::ExactlyOnce,
            eager: false,
            alerts: Alerts::default(),
        }
    }
}

impl Default for Alerts {
    fn default() -> Self {
        Self { linger_ms: 50, token: Secret::default() }
    }
}

impl Validate for Kafka {
    fn validate(&self, errors: &mut ErrorCollector) {
        errors.check(!self.brokers.is_empty(), "brokers", "", "at least one host:port", "localhost:9092");
    }
}

impl Validate for Bridge {
    const FREE_FORM: &'static [&'static str] = &["kafka.options"];
    const RENAMED: &'static [(&'static str, &'static str)] =
        &[("alerts.quiet_ms", "alerts.linger_ms"), ("alerts.key_file", "alerts.token_file")];

    fn validate(&self, errors: &mut ErrorCollector) {
        errors.nest("kafka", &self.kafka);
        errors.check(self.window_ms >= 1, "window_ms", self.window_ms, "at least 1", "300000");
        let linger = self.alerts.linger_ms;
        errors.check(linger <= 1_000, "alerts.linger_ms", linger, "at most 1000", "50");
    }
}

fn load_from(file: &str, env: &[(&str, &str)]) -> Result<Bridge, ConfigErrors> {
    load_all(file, env).map(|loaded| loaded.config)
}

fn load_all(file: &str, env: &[(&str, &str)]) -> Result<Loaded<Bridge>, ConfigErrors> {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(file.as_bytes()).unwrap();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load_with_renames("BRIDGE", Some(written.path()), env)
}

fn lines_of(result: Result<Bridge, ConfigErrors>) -> Vec<String> {
    result.unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn environment_overrides_file_and_file_overrides_defaults() {
    let file = "window_ms = 5\nrate = 2\nmode = \"at_least_once\"\n[kafka]\nrack = \"a\"\n";
    let env = [("BRIDGE__WINDOW_MS", "6"), ("BRIDGE__KAFKA__BROKERS", "a:1, b:2"), ("OTHER__WINDOW_MS", "x")];
    let config = load_from(file, &env).unwrap();
    assert_eq!(config.window_ms, 6);
    assert_eq!(config.rate.to_bits(), 2.0f64.to_bits());
    assert_eq!(config.mode, Mode::AtLeastOnce);
    assert_eq!(config.kafka.brokers, ["a:1", "b:2"]);
    assert_eq!(config.kafka.rack.as_deref(), Some("a"));
    assert!(!config.eager);
}

#[test]
fn missing_file_and_environment_yield_the_defaults() {
    assert_eq!(load::<Bridge>("BRIDGE", None, std::iter::empty()).unwrap(), Bridge::default());
}

#[test]
fn errors_of_all_layers_are_reported_at_once() {
    let file = "window_ms = 0\nrat = 1\neager = \"yes\"\n";
    let env = [("BRIDGE__RATE", "fast"), ("BRIDGE__KAFKA__BROKERZ", "a:1"), ("BRIDGE__MODE", "maybe")];
    let lines = lines_of(load_from(file, &env));
    assert_eq!(lines.len(), 6, "{lines:#?}");
    let all = lines.join("\n");
    for part in [
        "rat (/",
        "unknown key; the nearest known key is rate",
        "kafka.brokerz (BRIDGE__KAFKA__BROKERZ): unknown key; the nearest known key is kafka.brokers",
        "rate = fast (BRIDGE__RATE): must be a number; for example 5.0",
        "mode = maybe (BRIDGE__MODE): must be at_least_once or exactly_once; for example \"exactly_once\"",
        "eager = \"yes\" (/",
        "must be true or false; for example false",
        "window_ms = 0 (/",
        "must be at least 1; for example 300000",
    ] {
        assert!(all.contains(part), "{part} is missing in\n{all}");
    }
}

#[test]
fn error_of_unknown_key_names_the_file() {
    let result = load_from("[kafka]\nbroker = \"a:1\"\n", &[]);
    let errors = result.unwrap_err();
    let error = errors.iter().next().unwrap();
    assert_eq!(error.key, "kafka.broker");
    assert!(matches!(&error.origin, Origin::File(path) if path.is_absolute()));
}

#[test]
fn free_form_map_accepts_keys_from_file_and_environment() {
    let file = "[kafka.options]\n\"fetch.wait.max.ms\" = \"10\"\n";
    let env =
        [("BRIDGE__KAFKA__OPTIONS__linger.ms", "5"), ("BRIDGE__KAFKA__OPTIONS", "{\"client.rack\": \"a\"}")];
    let options = load_from(file, &env).unwrap().kafka.options;
    let expected = [("client.rack", "a"), ("fetch.wait.max.ms", "10"), ("linger.ms", "5")];
    assert_eq!(options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
}

#[test]
fn wrong_type_in_free_form_map_is_an_error_of_its_key() {
    let lines = lines_of(load_from("[kafka.options]\n\"linger.ms\" = 5\n", &[]));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].starts_with("kafka.options.linger.ms = 5 ("), "{lines:#?}");
}

#[test]
fn key_without_default_accepts_text_or_number() {
    let env = [("BRIDGE__KAFKA__RACK", "17"), ("BRIDGE__KAFKA__DEPTH", "17")];
    let kafka = load_from("", &env).unwrap().kafka;
    assert_eq!((kafka.rack.as_deref(), kafka.depth), (Some("17"), Some(17)));
    let lines = lines_of(load_from("", &[("BRIDGE__KAFKA__DEPTH", "deep")]));
    assert!(lines[0].starts_with("kafka.depth = deep (BRIDGE__KAFKA__DEPTH)"), "{lines:#?}");
}

#[test]
fn secret_is_read_from_text_or_file_and_never_shown() {
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    secret.write_all(b"hunter2\n").unwrap();
    let path = secret.path().to_str().unwrap();
    let from_variable = load_from("", &[("BRIDGE__KAFKA__PASSWORD_FILE", path)]).unwrap();
    let from_file = load_from(&format!("[kafka]\npassword = {{ file = \"{path}\" }}"), &[]).unwrap();
    let from_text = load_from("", &[("BRIDGE__KAFKA__PASSWORD", "hunter2")]).unwrap();
    for config in [from_variable, from_file, from_text] {
        assert_eq!(config.kafka.password.expose(), Some("hunter2"));
        assert!(!redacted(&config).to_string().contains("hunter2"));
    }
    let lines = lines_of(load_from("[kafka]\npassword = 4711\n", &[]));
    assert!(!lines[0].contains("4711"), "{lines:#?}");
    let lines = lines_of(load_from("", &[("BRIDGE__KAFKA__PASSWORD_FILE", "/missing")]));
    assert!(lines[0].contains("secret file /missing can't be read"), "{lines:#?}");
}

#[test]
fn errors_contain_no_redacted_value() {
    let hidden = [
        ("BRIDGE__RATE", "http://me:hunter2@registry"),
        ("BRIDGE__KAFKA", "{\"password\": \"hunter2\""),
        ("BRIDGE__KAFKA__OPTIONS", "{\"sasl.password\": {\"text\": \"hunter2\"}}"),
    ];
    for variable in hidden {
        let lines = lines_of(load_from("", &[variable]));
        assert!(!lines.join("\n").contains("hunter2"), "{lines:#?}");
    }
    let file = "[[window_ms]]\npassword = \"hunter2\"\n";
    let lines = lines_of(load_from(file, &[]));
    assert!(!lines.join("\n").contains("hunter2"), "{lines:#?}");
}

#[test]
fn values_of_a_file_with_a_user_are_redacted() {
    let file = "window_ms = \"http://me:hun/ter2@registry\"\nmode = \"me:hunter2@host\"\n[kafka.options]\n\"a\" = 5\n";
    let lines = lines_of(load_from(file, &[("BRIDGE__KAFKA__DEPTH", "me:hunter2@host")])).join("\n");
    assert!(!lines.contains("hunter2") && !lines.contains("ter2"), "{lines}");
    assert!(lines.contains("must be a whole number of at least 0; for example 300000"), "{lines}");
    assert!(lines.contains("mode = \"[redacted]@host\""), "{lines}");
}

#[test]
fn unusable_secret_file_is_an_error_that_names_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hun\nter2\n").unwrap();
    let path = file.path().to_str().unwrap();
    let lines = lines_of(load_from("", &[("BRIDGE__KAFKA__PASSWORD_FILE", path)]));
    let expected = format!(
        "kafka.password (BRIDGE__KAFKA__PASSWORD_FILE): secret file {path} has several lines: it must hold the secret alone"
    );
    assert_eq!(lines, [expected]);
}

#[test]
fn variable_that_is_not_utf8_is_an_error_that_names_it() {
    let value = String::from_utf8_lossy(b"caf\xe9:1").into_owned();
    let env = [("BRIDGE__KAFKA__BROKERS".to_owned(), value), ("OTHER".to_owned(), "\u{fffd}".to_owned())];
    let errors = load::<Bridge>("BRIDGE", None, env.into_iter()).unwrap_err();
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["kafka.brokers (BRIDGE__KAFKA__BROKERS): the variable must be UTF-8"]);
}

#[test]
fn section_set_to_a_single_value_is_an_error() {
    let lines = lines_of(load_from("kafka = 3\n", &[]));
    assert!(lines[0].contains("must be a table of keys"), "{lines:#?}");
}

#[test]
fn invalid_toml_is_an_error_with_its_line() {
    let lines = lines_of(load_from("window_ms = 5\nrate = = 2\n", &[]));
    assert!(lines[0].starts_with("line 2 (/"), "{lines:#?}");
}

#[test]
fn missing_file_is_reported_with_the_other_errors() {
    let env = [("BRIDGE__RATE".to_owned(), "fast".to_owned())];
    let errors = load::<Bridge>("BRIDGE", Some(Path::new("/missing.toml")), env.into_iter()).unwrap_err();
    let text = errors.to_string();
    assert!(text.contains("/missing.toml") && text.contains("BRIDGE__RATE"), "{text}");
}

#[test]
fn renamed_key_is_accepted_by_its_old_name_and_reported() {
    let old = |origin| RenamedKey { old: "alerts.quiet_ms", new: "alerts.linger_ms", origin };
    let loaded = load_all("[alerts]\nquiet_ms = 7\n", &[]).unwrap();
    assert_eq!(loaded.config.alerts.linger_ms, 7);
    assert!(matches!(&loaded.renamed[..], [used] if matches!(used.origin, Origin::File(_))));
    let loaded = load_all("", &[("BRIDGE__ALERTS__QUIET_MS", "8")]).unwrap();
    assert_eq!(loaded.config.alerts.linger_ms, 8);
    assert_eq!(loaded.renamed, [old(Origin::Variable("BRIDGE__ALERTS__QUIET_MS".to_owned()))]);
    assert_eq!(
        loaded.renamed[0].to_string(),
        "alerts.quiet_ms (BRIDGE__ALERTS__QUIET_MS): renamed to alerts.linger_ms; the old name is accepted for one release"
    );
    assert_eq!(load_all("[alerts]\nlinger_ms = 7\n", &[]).unwrap().renamed, []);
}

#[test]
fn environment_overrides_file_under_the_old_name_too() {
    let loaded = load_all("[alerts]\nquiet_ms = 7\n", &[("BRIDGE__ALERTS__QUIET_MS", "8")]).unwrap();
    assert_eq!((loaded.config.alerts.linger_ms, loaded.renamed.len()), (8, 2));
}

#[test]
fn renamed_key_set_by_both_names_is_an_error() {
    let expected =
        "renamed to alerts.linger_ms, which is set too (BRIDGE__ALERTS__LINGER_MS); remove alerts.quiet_ms";
    let in_file = load_from("[alerts]\nquiet_ms = 7\n", &[("BRIDGE__ALERTS__LINGER_MS", "7")]);
    let lines = lines_of(in_file);
    assert!(lines.len() == 1 && lines[0].starts_with("alerts.quiet_ms (/"), "{lines:#?}");
    assert!(lines[0].ends_with(expected), "{lines:#?}");
    let in_environment =
        load_from("", &[("BRIDGE__ALERTS__LINGER_MS", "7"), ("BRIDGE__ALERTS__QUIET_MS", "7")]);
    let lines = lines_of(in_environment);
    assert_eq!(lines, [format!("alerts.quiet_ms (BRIDGE__ALERTS__QUIET_MS): {expected}")]);
}

#[test]
fn errors_name_a_renamed_key_as_it_was_written() {
    let env = [("BRIDGE__ALERTS__QUIET_MS", "2000")];
    let expected = "alerts.quiet_ms = 2000 (BRIDGE__ALERTS__QUIET_MS): must be at most 1000; for example 50";
    assert_eq!(lines_of(load_from("", &env)), [expected]);
    let lines = lines_of(load_from("[alerts]\nquiet_ms = \"soon\"\nquiet = 1\n", &[]));
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("alerts.quiet_ms = \"soon\" (/")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("alerts.quiet (/")), "{lines:#?}");
}

#[test]
fn renamed_file_key_of_a_secret_is_accepted() {
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    secret.write_all(b"hunter2\n").unwrap();
    let path = secret.path().to_str().unwrap();
    let loaded = load_all("", &[("BRIDGE__ALERTS__KEY_FILE", path)]).unwrap();
    assert_eq!(loaded.config.alerts.token.expose(), Some("hunter2"));
    assert_eq!(loaded.renamed.len(), 1);
}
