//! Who we are to the cluster, how it proves to be the cluster, and what protects the way between.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use rdkafka::config::ClientConfig;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, KafkaConfig, Profile};
use crate::secret::{REDACTED, Secret};

/// The section `kafka.security`. The host names in `brokers` must stand in the brokers' certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// What connections are made of.
    pub protocol: Protocol,
    /// PEM file of the authorities whose word on a broker's certificate counts. Unset: those of the operating system.
    pub ca_file: Option<PathBuf>,
    /// PEM file of our own certificate, where brokers ask for one.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of that certificate's key.
    pub key_file: Option<PathBuf>,
    /// What the key is encrypted with.
    pub key_password: Secret,
    /// How the password is proven.
    pub mechanism: Mechanism,
    /// The principal that the cluster's access rules name.
    pub username: Option<String>,
    /// Its password.
    pub password: Secret,
}

/// What connections are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// In clear, as nobody.
    #[default]
    Plaintext,
    /// Encrypted; as the subject of our certificate, if we have one.
    Ssl,
    /// In clear, with a login.
    SaslPlaintext,
    /// Encrypted, with a login.
    SaslSsl,
}

/// How a password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// Challenge and response over SHA-512: the password itself never leaves.
    #[default]
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
    /// The same over SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// The password itself.
    Plain,
}

/// librdkafka options that this section stands for, or that would weaken what it promises, and why each is refused.
const OWNED: &[(&str, &str)] = &[
    ("security.protocol", "say it in `security.protocol`"),
    ("ssl.ca.location", "say it in `security.ca_file`"),
    ("ssl.ca.pem", "say it in `security.ca_file`"),
    ("ssl.certificate.location", "say it in `security.certificate_file`"),
    ("ssl.certificate.pem", "say it in `security.certificate_file`"),
    ("ssl.key.location", "say it in `security.key_file`"),
    ("ssl.key.pem", "say it in `security.key_file`"),
    ("ssl.key.password", "say it in `security.key_password`"),
    ("ssl.keystore.location", "say it in `security.certificate_file` and `security.key_file`"),
    ("ssl.keystore.password", "say it in `security.key_password`"),
    ("enable.ssl.certificate.verification", "a broker that proves nothing may be anybody"),
];

/// Why a raw option is refused; none when it may pass.
pub(crate) fn owned(option: &str) -> Option<&'static str> {
    if option.starts_with("sasl.") {
        return Some("say it in `security`: mechanism, username, password");
    }
    OWNED.iter().find(|(owned, _)| *owned == option).map(|(_, reason)| *reason)
}

// === impl Security ===

impl Security {
    /// Everything that contradicts itself, is missing or can't be read.
    pub(crate) fn errors(&self, profile: Profile) -> Vec<ConfigError> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, value: &str, rule: &str| {
            let key = format!("security.{key}");
            faults.push(ConfigError { key, value: value.to_owned(), rule: rule.to_owned() });
        };
        let protocol = self.protocol.name();
        if profile == Profile::Embedded && self.protocol != Protocol::Plaintext {
            fault("protocol", protocol, "plaintext, which is all that the embedded broker speaks");
        }
        for (key, value) in self.tls_values() {
            if !self.protocol.is_encrypted() {
                fault(key, &value, "left out unless the protocol is ssl or sasl_ssl");
            }
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            let missing = if self.key_file.is_none() { "key_file" } else { "certificate_file" };
            fault(missing, "", "set: a certificate and its key come together");
        }
        if self.key_password.is_set() && self.key_file.is_none() {
            fault("key_password", REDACTED, "left out without a key_file");
        }
        for (key, file) in self.files() {
            if let Err(cause) = File::open(file) {
                fault(key, &file.display().to_string(), &format!("a file that can be read: {cause}"));
            }
        }
        let login = [
            ("username", self.username.as_deref().unwrap_or_default(), self.username.is_some()),
            ("password", REDACTED, self.password.is_set()),
            ("mechanism", self.mechanism.name(), self.mechanism != Mechanism::default()),
        ];
        for (key, value, is_set) in login {
            let has_login = self.protocol.has_login();
            if is_set && !has_login {
                fault(key, value, "left out unless the protocol is sasl_plaintext or sasl_ssl");
            }
            if !is_set && has_login && key != "mechanism" {
                fault(key, "", &format!("set: the protocol {protocol} needs it"));
            }
        }
        faults
    }

    /// Writes it into a client's options.
    pub(crate) fn lay(&self, options: &mut ClientConfig) {
        options.set("security.protocol", self.protocol.name());
        if self.protocol.is_encrypted() {
            // OpenSSL is built in, so its own default path is the build machine's: `probe` looks where systems keep theirs.
            let ca = self.ca_file.as_ref().map_or("probe".into(), |file| file.to_string_lossy());
            options.set("ssl.ca.location", ca);
            if let (Some(certificate), Some(key)) = (&self.certificate_file, &self.key_file) {
                options.set("ssl.certificate.location", certificate.to_string_lossy());
                options.set("ssl.key.location", key.to_string_lossy());
            }
            if let Some(password) = self.key_password.expose() {
                options.set("ssl.key.password", password);
            }
        }
        if let (true, Some(username), Some(password)) =
            (self.protocol.has_login(), &self.username, self.password.expose())
        {
            options.set("sasl.mechanism", self.mechanism.name());
            options.set("sasl.username", username);
            options.set("sasl.password", password);
        }
    }

    fn files(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let files = [
            ("ca_file", &self.ca_file),
            ("certificate_file", &self.certificate_file),
            ("key_file", &self.key_file),
        ];
        files.into_iter().filter_map(|(key, file)| Some((key, file.as_ref()?)))
    }

    fn tls_values(&self) -> Vec<(&'static str, String)> {
        let mut values: Vec<_> = self.files().map(|(key, file)| (key, file.display().to_string())).collect();
        if self.key_password.is_set() {
            values.push(("key_password", REDACTED.to_owned()));
        }
        values
    }
}

impl fmt::Display for Security {
    /// Who we are, as an error may name us.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.username {
            Some(username) => {
                write!(f, "user {username:?} ({} over {})", self.mechanism.name(), self.protocol.name())
            }
            None => write!(f, "a user without a name ({})", self.protocol.name()),
        }
    }
}

impl Protocol {
    /// As configurations and librdkafka write it.
    const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    pub(crate) const fn is_encrypted(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    const fn has_login(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

impl Mechanism {
    /// As Kafka writes it.
    const fn name(self) -> &'static str {
        match self {
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
        }
    }
}

/// Adds what is wrong with the section, and the raw options that stand against it.
pub(crate) fn add_faults(config: &KafkaConfig, faults: &mut Vec<ConfigError>) {
    faults.extend(config.security.errors(config.profile));
    for key in config.options.keys() {
        if let Some(reason) = owned(key) {
            // Some of these are secrets: no value is shown.
            let (key, value) = (format!("options.{key}"), REDACTED.to_owned());
            faults.push(ConfigError { key, value, rule: format!("owned by the engine: {reason}") });
        }
    }
}

#[cfg(test)]
mod tests;
