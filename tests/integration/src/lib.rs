//! Real parts for tests: Apache Kafka and a schema registry as child processes of the test.
//!
//! They use free loopback ports and a temporary folder, and end when their value is dropped. When a test panics, the end of the log
//! of each process is printed.
//!
//! The crate downloads nothing (`real-parts/fetch` does), links no code of the services, and implements no more of a protocol than
//! is needed to see that a process responds. It uses the programs as an operator does: by arguments, configuration, signals, exit
//! codes and files.
//!
//! Start at [`Stack`]; a service is a [`Service`], any other program a [`Process`].

mod binaries;
pub mod certificate_authority;
pub mod cluster_metadata;
mod free_port;
mod http;
pub mod http_server;
mod memory_group;
mod metrics;
mod postgres;
mod process;
mod process_status;
mod python_clients;
mod real_parts;
mod requirements;
mod secure_broker;
mod service;
mod tls_proxy;
mod vectors;

pub use binaries::Binaries;
pub use free_port::free_port;
pub use http::{Reply, request};
pub use memory_group::MemoryGroup;
pub use metrics::Metrics;
pub use postgres::Postgres;
pub use process::{Ended, Process, run_to_end, wait_until};
pub use process_status::status_bytes;
pub use python_clients::read_all;
pub use real_parts::{Broker, Registry, Stack, script};
pub use requirements::{memory_group, postgres_missing, python, real_parts_missing};
pub use secure_broker::{SecureBroker, User};
pub use service::Service;
pub use tls_proxy::TlsProxy;
pub use vectors::{difference, vectors_of};
