//! Real parts for tests: Apache Kafka and a schema registry as child processes of the test.
//!
//! A test asks for what it needs, gets it on free loopback ports with its data in a temporary folder, and
//! loses it when the value is dropped. When the test panics, the end of each part's log is printed.
//!
//! What this crate deliberately does not do: fetch anything (`real-parts/fetch` does), know what Tapeline's
//! services mean, or speak more of a protocol than it takes to see that a part answers.
//!
//! Start at [`Stack`]; a service of ours as a process is a [`Process`].

mod http;
mod parts;
mod port;
mod process;
mod requirement;
pub mod wire;

pub use http::{Reply, request};
pub use parts::{Broker, Registry, Stack};
pub use port::free_port;
pub use process::{Process, wait_until};
pub use requirement::real_parts_missing;
