//! The optional parts of this crate.
//!
//! Cargo unites the features of a crate over all packages of a build. Services and commands read this list, not their own features.

/// Encryption and authentication of connections to Kafka and the registry, from OpenSSL's source.
pub(crate) const SECURITY: &str = "security";

/// The names of the optional parts that this build contains.
pub const FEATURES: &[&str] = if cfg!(feature = "security") { &[SECURITY] } else { &[] };

/// Returns true if this build encrypts and authenticates connections.
#[must_use]
pub fn has_security() -> bool {
    FEATURES.contains(&SECURITY)
}
