//! Real parts for tests: Apache Kafka and a schema registry as child processes of the test.
//!
//! A test asks for what it needs, gets it on free loopback ports with its data in a temporary folder, and
//! loses it when the value is dropped. When the test panics, the end of each part's log is printed.
//!
//! What this crate deliberately does not do: fetch anything (`real-parts/fetch` does), link any code of
//! Tapeline's services, or speak more of a protocol than it takes to see that a part answers. It knows our
//! programs as an operator does: by their arguments, configuration, signals, exit codes and files.
//!
//! Start at [`Stack`]; a service of ours is a [`Service`], any program of ours a [`Process`].

pub mod authority;
mod binaries;
mod clients;
mod front;
mod http;
mod metrics;
mod parts;
mod port;
mod process;
mod requirement;
mod secure;
mod service;
mod vectors;
pub mod wire;

pub use binaries::Binaries;
pub use clients::read_all;
pub use front::Front;
pub use http::{Reply, request};
pub use metrics::Metrics;
pub use parts::{Broker, Registry, Stack, script};
pub use port::free_port;
pub use process::{Ended, Process, run_to_end, wait_until};
pub use requirement::{python, real_parts_missing};
pub use secure::{SecureBroker, User};
pub use service::Service;
pub use vectors::{difference, vectors_of};
