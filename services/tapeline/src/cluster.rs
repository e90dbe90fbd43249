//! Access to a cluster: address arguments, settings, and clients of Kafka and the schema registry.

mod args;
mod clients;
mod edge_address;
mod end_reader;
mod settings;

pub use self::args::ClusterArgs;
pub use self::clients::{kafka, register, registry, registry_client, registry_config, wire};
pub use self::edge_address::{
    AddressError, EdgeAddress, ResolveError, ResolvedEdge, parse_admin_listen_address,
    parse_edge_listen_address,
};
pub use self::end_reader::{EndReader, partition_count};
pub use self::settings::{PREFIX, Settings};
