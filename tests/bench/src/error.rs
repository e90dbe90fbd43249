//! The error of a measurement.

/// Any error that ends a measurement.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;
