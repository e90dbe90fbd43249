//! Errors of rendering.

use std::io;
use std::path::PathBuf;

/// A page cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source file or page cannot be read or written.
    #[error("failed to access {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A source file is not valid Rust.
    #[error("failed to parse {path}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: syn::Error,
    },
    /// The defaults of a configuration cannot be serialized.
    #[error("failed to serialize the defaults of {service}")]
    Defaults {
        /// The service.
        service: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A type of a configuration is not among the sources, or more than once.
    #[error("type {name} of {crate_name} is declared {count} times")]
    Type {
        /// The crate that names it.
        crate_name: String,
        /// The type.
        name: String,
        /// Number of declarations.
        count: usize,
    },
    /// The sources and the serialized defaults disagree.
    #[error("{key} of {service}: {rule}")]
    Key {
        /// The service.
        service: &'static str,
        /// The dotted key.
        key: String,
        /// The rule that it violates.
        rule: String,
    },
}
