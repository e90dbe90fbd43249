//! How a process of Tapeline lives: configuration, telemetry, health, the admin server, tasks with a declared fate,
//! supervised pools, two-signal shutdown and exit codes.
//!
//! It deliberately knows nothing of Kafka, of markets or of any service; it never decides what is done, only how it is
//! started, watched and ended.
//!
//! Start at [`run()`]: the main of a service, in order. A process with several services builds one [`run::Host`] and
//! launches each [`run::Service`] on it.

pub mod admin;
pub mod clock;
pub mod config;
pub mod exit;
pub mod failure;
pub mod health;
pub mod memory;
pub mod pool;
pub mod run;
pub mod shutdown;
pub mod signals;
pub mod tasks;
pub mod telemetry;

mod lock;
mod panics;

pub use clock::{Clock, ManualClock, SystemClock};
pub use exit::Exit;
pub use failure::Failure;
pub use run::{Context, Host, Service, run};
pub use shutdown::Shutdown;
pub use tasks::{Fate, Tasks};
