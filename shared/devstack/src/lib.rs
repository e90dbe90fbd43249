//! Tapeline without a cluster, for the development mode and for tests: an embedded broker, an embedded schema registry, a small scanner,
//! and the plan of a replay.
//!
//! No service depends on this crate.
//!
//! ```no_run
//! use devstack::broker::EmbeddedBroker;
//! use devstack::registry::EmbeddedRegistry;
//! use kafka_io::{KafkaConfig, RegistryConfig};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = EmbeddedBroker::start(&[("market.bar.closed.v1", 12)])?;
//! let registry = EmbeddedRegistry::start("127.0.0.1:0".parse()?).await?;
//! let kafka = KafkaConfig::embedded(&broker.bootstrap());
//! let registry_config = RegistryConfig { url: registry.url(), ..RegistryConfig::default() };
//! # Ok(())
//! # }
//! ```

pub mod broker;
pub mod registry;
pub mod replay;
pub mod scanner;
