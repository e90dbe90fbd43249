//! What a file and the environment may say to the command about its cluster: the same sections that every service has.

use chassis::config::{ErrorCollector, Validate};
use hosting::{KafkaSection, RegistrySection};
use kafka_io::{KafkaConfig, RegistryConfig};
use serde::{Deserialize, Serialize};

/// What the command's variables begin with: `TAPELINE__KAFKA__SECURITY__PASSWORD_FILE=/run/secrets/operator`.
pub const PREFIX: &str = "TAPELINE";

/// The variable that `--brokers` stands for.
pub const BROKERS_VARIABLE: &str = "TAPELINE__KAFKA__BROKERS";

/// The variable that `--registry` stands for.
pub const REGISTRY_VARIABLE: &str = "TAPELINE__REGISTRY__URL";

/// The command's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The cluster.
    pub kafka: KafkaSection,
    /// The schema registry.
    pub registry: RegistrySection,
}

impl Default for Settings {
    /// A cluster on this machine.
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
    fn a_password_comes_from_a_file_and_is_shown_nowhere() {
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
    fn faults_of_the_section_come_at_once_and_without_the_secret() {
        let file = "[kafka.security]\nprotocol = \"ssl\"\npassword = \"hunter2\"\nca_file = \"/nowhere\"\n";
        let errors = loaded(file, &[]).unwrap_err();
        for said in ["kafka.security.password", "kafka.security.ca_file", "/nowhere"] {
            assert!(errors.contains(said), "{said}: {errors}");
        }
        assert!(!errors.contains("hunter2"), "{errors}");
    }
}
