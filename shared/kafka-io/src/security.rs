//! Encryption and authentication of connections to the cluster.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use kit::Secret;
use kit::secret::REDACTED;
use rdkafka::config::ClientConfig;
use serde::{Deserialize, Serialize};

use crate::config_error::ConfigError;
use crate::features::has_security;

/// The section `kafka.security`. The brokers' certificates must contain the host names in `brokers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// The security protocol of all connections.
    pub protocol: Protocol,
    /// PEM file of the certificate authorities that are trusted. Unset: those of the operating system.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client certificate, if the brokers require one.
    pub certificate_file: Option<PathBuf>,
    /// PEM file of the client certificate's key.
    pub key_file: Option<PathBuf>,
    /// The password of the key file.
    pub key_password: Secret,
    /// The SASL mechanism.
    pub mechanism: Mechanism,
    /// The user name: the principal in the cluster's ACLs.
    pub username: Option<String>,
    /// The user's password.
    pub password: Secret,
}

/// The security protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Unencrypted and unauthenticated.
    #[default]
    Plaintext,
    /// Encrypted; authenticated by the client certificate, if there is one.
    Ssl,
    /// Unencrypted, authenticated by SASL.
    SaslPlaintext,
    /// Encrypted, authenticated by SASL.
    SaslSsl,
}

/// The SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// Challenge and response over SHA-512: the password is not sent.
    #[default]
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
    /// The same over SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// The password is sent as it is.
    Plain,
}

/// librdkafka options that this section sets, or that would weaken it, each with the setting to use instead or the reason.
const SECTION_OPTIONS: &[(&str, &str)] = &[
    ("security.protocol", "use `security.protocol`"),
    ("ssl.ca.location", "use `security.ca_file`"),
    ("ssl.ca.pem", "use `security.ca_file`"),
    ("ssl.certificate.location", "use `security.certificate_file`"),
    ("ssl.certificate.pem", "use `security.certificate_file`"),
    ("ssl.key.location", "use `security.key_file`"),
    ("ssl.key.pem", "use `security.key_file`"),
    ("ssl.key.password", "use `security.key_password`"),
    ("ssl.keystore.location", "use `security.certificate_file` and `security.key_file`"),
    ("ssl.keystore.password", "use `security.key_password`"),
    ("enable.ssl.certificate.verification", "always on: an unverified broker may be an impostor"),
];

/// Returns the reason why a raw librdkafka option is rejected. `None` if it may be passed through.
pub(crate) fn option_error(option: &str) -> Option<&'static str> {
    if option.starts_with("sasl.") {
        return Some("use `security`: mechanism, username, password");
    }
    SECTION_OPTIONS.iter().find(|(rejected, _)| *rejected == option).map(|(_, reason)| *reason)
}

// === impl Security ===

impl Security {
    /// Returns all validation errors: contradictions, missing values and unreadable files. `is_embedded`: the section is that of the
    /// embedded broker.
    pub(crate) fn errors(&self, is_embedded: bool) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut error = |key: &str, value: &str, rule: &str| {
            let key = format!("security.{key}");
            errors.push(ConfigError { key, value: value.to_owned(), rule: rule.to_owned() });
        };
        let protocol = self.protocol.name();
        if is_embedded && self.protocol != Protocol::Plaintext {
            error("protocol", protocol, "plaintext, the only protocol of the embedded broker");
        }
        if self.protocol != Protocol::Plaintext && !has_security() {
            error("protocol", protocol, "plaintext, because this build lacks the feature `security`");
        }
        for (key, value) in self.tls_values() {
            if !self.protocol.is_encrypted() {
                error(key, &value, "left out unless the protocol is ssl or sasl_ssl");
            }
        }
        if self.certificate_file.is_some() != self.key_file.is_some() {
            let missing = if self.key_file.is_none() { "key_file" } else { "certificate_file" };
            error(missing, "", "set: a certificate needs its key, and a key its certificate");
        }
        if self.key_password.is_set() && self.key_file.is_none() {
            error("key_password", REDACTED, "left out without a key_file");
        }
        for (key, file) in self.files() {
            if let Err(cause) = File::open(file) {
                error(key, &file.display().to_string(), &format!("a file that can be read: {cause}"));
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
                error(key, value, "left out unless the protocol is sasl_plaintext or sasl_ssl");
            }
            if !is_set && has_login && key != "mechanism" {
                error(key, "", &format!("set: the protocol {protocol} needs it"));
            }
        }
        errors
    }

    /// Sets the librdkafka options of this section.
    pub(crate) fn apply_to(&self, options: &mut ClientConfig) {
        options.set("security.protocol", self.protocol.name());
        if self.protocol.is_encrypted() {
            // OpenSSL is vendored, so its default path is that of the build machine: `probe` tries the paths of common systems.
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
    /// Shows the principal, as errors name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.username {
            Some(username) => {
                write!(f, "user {username:?} ({} over {})", self.mechanism.name(), self.protocol.name())
            }
            None => write!(f, "an unnamed user ({})", self.protocol.name()),
        }
    }
}

impl Protocol {
    /// Returns the name in configurations and in librdkafka.
    pub(crate) const fn name(self) -> &'static str {
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
    /// Returns the name in Kafka.
    const fn name(self) -> &'static str {
        match self {
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
        }
    }
}

#[cfg(test)]
mod tests;
