//! The optional parts of the service.

/// The names of the parts that this build contains: those of the connections, and the ledger, which includes them.
pub const FEATURES: &[&str] =
    if cfg!(feature = "ledger") { &["security", "ledger"] } else { kafka_io::FEATURES };
