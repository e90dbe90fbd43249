//! The laws of the layers, the keys and the errors.

use std::collections::BTreeMap;
use std::io::Write;

use serde::{Deserialize, Serialize};

use super::*;

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
        Self { kafka: Kafka::default(), window_ms: 300_000, rate: 5.0, mode: Mode::ExactlyOnce, eager: false }
    }
}

impl Validate for Kafka {
    fn validate(&self, errors: &mut ErrorCollector) {
        errors.check(!self.brokers.is_empty(), "brokers", "", "at least one host:port", "localhost:9092");
    }
}

impl Validate for Bridge {
    const FREE_FORM: &'static [&'static str] = &["kafka.options"];

    fn validate(&self, errors: &mut ErrorCollector) {
        errors.nest("kafka", &self.kafka);
        errors.check(self.window_ms >= 1, "window_ms", self.window_ms, "at least 1", "300000");
    }
}

fn load_from(file: &str, env: &[(&str, &str)]) -> Result<Bridge, ConfigErrors> {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(file.as_bytes()).unwrap();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load("BRIDGE", Some(written.path()), env)
}

fn lines_of(result: Result<Bridge, ConfigErrors>) -> Vec<String> {
    result.unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn the_environment_is_above_the_file_and_the_file_above_the_defaults() {
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
fn without_file_and_environment_the_defaults_stand() {
    assert_eq!(load::<Bridge>("BRIDGE", None, std::iter::empty()).unwrap(), Bridge::default());
}

#[test]
fn every_fault_of_every_layer_is_reported_at_once() {
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
        "mode = maybe (BRIDGE__MODE): unknown variant `maybe`",
        "eager = \"yes\" (/",
        "window_ms = 0 (/",
        "must be at least 1; for example 300000",
    ] {
        assert!(all.contains(part), "{part} is missing in\n{all}");
    }
}

#[test]
fn an_unknown_key_names_its_file() {
    let result = load_from("[kafka]\nbroker = \"a:1\"\n", &[]);
    let errors = result.unwrap_err();
    let error = errors.iter().next().unwrap();
    assert_eq!(error.key, "kafka.broker");
    assert!(matches!(&error.origin, Origin::File(path) if path.is_absolute()));
}

#[test]
fn a_map_that_takes_any_key_takes_it_from_file_and_environment() {
    let file = "[kafka.options]\n\"fetch.wait.max.ms\" = \"10\"\n";
    let env =
        [("BRIDGE__KAFKA__OPTIONS__linger.ms", "5"), ("BRIDGE__KAFKA__OPTIONS", "{\"client.rack\": \"a\"}")];
    let options = load_from(file, &env).unwrap().kafka.options;
    let expected = [("client.rack", "a"), ("fetch.wait.max.ms", "10"), ("linger.ms", "5")];
    assert_eq!(options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
}

#[test]
fn a_wrong_type_in_a_free_map_is_a_fault_of_that_key() {
    let lines = lines_of(load_from("[kafka.options]\n\"linger.ms\" = 5\n", &[]));
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].starts_with("kafka.options.linger.ms = 5 ("), "{lines:#?}");
}

#[test]
fn a_key_without_a_default_takes_a_text_or_a_number() {
    let env = [("BRIDGE__KAFKA__RACK", "17"), ("BRIDGE__KAFKA__DEPTH", "17")];
    let kafka = load_from("", &env).unwrap().kafka;
    assert_eq!((kafka.rack.as_deref(), kafka.depth), (Some("17"), Some(17)));
    let lines = lines_of(load_from("", &[("BRIDGE__KAFKA__DEPTH", "deep")]));
    assert!(lines[0].starts_with("kafka.depth = deep (BRIDGE__KAFKA__DEPTH)"), "{lines:#?}");
}

#[test]
fn a_secret_comes_from_text_or_file_and_is_shown_by_no_fault() {
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
    let lines = lines_of(load_from("", &[("BRIDGE__KAFKA__PASSWORD_FILE", "/nowhere")]));
    assert!(lines[0].contains("secret file /nowhere can't be read"), "{lines:#?}");
}

#[test]
fn no_fault_shows_what_is_hidden_elsewhere() {
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
fn a_section_that_is_set_to_one_value_is_a_fault() {
    let lines = lines_of(load_from("kafka = 3\n", &[]));
    assert!(lines[0].contains("must be a table of keys"), "{lines:#?}");
}

#[test]
fn a_file_that_is_no_toml_is_a_fault_with_its_line() {
    let lines = lines_of(load_from("window_ms = 5\nrate = = 2\n", &[]));
    assert!(lines[0].starts_with("line 2 (/"), "{lines:#?}");
}

#[test]
fn a_file_that_is_missing_is_named_beside_the_other_faults() {
    let env = [("BRIDGE__RATE".to_owned(), "fast".to_owned())];
    let errors = load::<Bridge>("BRIDGE", Some(Path::new("/nowhere.toml")), env.into_iter()).unwrap_err();
    let text = errors.to_string();
    assert!(text.contains("/nowhere.toml") && text.contains("BRIDGE__RATE"), "{text}");
}
