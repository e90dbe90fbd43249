//! Settings of the command from file and environment: the sections [kafka] and [registry] of the services.

use chassis::config::{ErrorCollector, Validate};
use hosting::{KafkaSection, RegistrySection};
use kafka_io::{KafkaConfig, RegistryConfig};
use serde::{Deserialize, Serialize};

/// Prefix of the environment variables, as in `TAPELINE__KAFKA__SECURITY__PASSWORD_FILE=/run/secrets/operator`.
pub const PREFIX: &str = "TAPELINE";

/// The variable that `--brokers` overrides.
pub(super) const BROKERS_VARIABLE: &str = "TAPELINE__KAFKA__BROKERS";

/// The variable that `--registry` overrides.
pub(super) const REGISTRY_VARIABLE: &str = "TAPELINE__REGISTRY__URL";

/// The configuration of the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Connection to Kafka.
    pub kafka: KafkaSection,
    /// Connection to the schema registry.
    pub registry: RegistrySection,
}

impl Default for Settings {
    /// Brokers and a registry on this machine.
    fn default() -> Self {
        let (brokers, url) = ("127.0.0.1:9092".to_owned(), "http://127.0.0.1:8081".to_owned());
        Self {
            kafka: KafkaSection(KafkaConfig { brokers, ..KafkaConfig::default() }),
            registry: RegistrySection(RegistryConfig { url, ..RegistryConfig::default() }),
        }
    }
}

impl Validate for Settings {
    const FREE_FORM: &'static [&'static str] = &["kafka.options"];

    fn validate(&self, errors: &mut ErrorCollector) {
        errors.nest("kafka", &self.kafka);
        errors.nest("registry", &self.registry);
    }
}

#[cfg(test)]
mod tests {
    use chassis::config;

    use super::*;

    fn loaded(file: &str, env: &[(&str, &str)]) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tapeline.toml");
        std::fs::write(&path, file).unwrap();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        config::load(PREFIX, Some(&path), env).map_err(|errors| errors.to_string())
    }

    #[test]
    fn password_is_read_from_a_file_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "hunter2\n").unwrap();
        let file = "[kafka]\nbrokers = \"a:1\"\nsecurity = { protocol = \"sasl_ssl\", username = \"me\" }\n";
        let variable = "TAPELINE__KAFKA__SECURITY__PASSWORD_FILE";
        let settings = loaded(file, &[(variable, path.to_str().unwrap())]).unwrap();
        assert_eq!(settings.kafka.0.security.password.expose(), Some("hunter2"));
        let shown = format!("{settings:?}{}", config::redacted(&settings));
        assert!(!shown.contains("hunter2") && shown.contains("[redacted]"), "{shown}");
    }

    #[test]
    fn all_errors_are_reported_without_the_secret() {
        let file = "[kafka.security]\nprotocol = \"ssl\"\npassword = \"hunter2\"\nca_file = \"/missing\"\n";
        let errors = loaded(file, &[]).unwrap_err();
        for expected in ["kafka.security.password", "kafka.security.ca_file", "/missing"] {
            assert!(errors.contains(expected), "{expected}: {errors}");
        }
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}
