//! Access to a cluster: address arguments, settings, and clients of Kafka and the schema registry.

mod args;
mod clients;
mod settings;

pub use self::args::{ClusterArgs, parse_socket_address};
pub use self::clients::{kafka, register, registry, registry_client, registry_config, wire};
pub use self::settings::{PREFIX, Settings};
