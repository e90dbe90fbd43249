//! Process runtime of the services: configuration, telemetry, health, admin server, supervised tasks, worker pools, two-signal
//! shutdown and exit codes.
//!
//! The crate is independent of Kafka, of markets and of all services. It starts, supervises and stops the work that a service defines.
//!
//! A service implements [`Service`] and calls [`run()`], which contains the whole sequence from arguments to exit code. A process with
//! several services creates one [`Host`] and launches each service on it.
//!
//! | module | content |
//! |---|---|
//! | [`config`] | defaults, TOML file and environment; all errors are reported at once |
//! | [`telemetry`] | logs, metrics and the catalogue of metrics |
//! | [`health`], [`admin`] | readiness, liveness and the HTTP server that shows them |
//! | [`serve`] | HTTP server with limits of connections and times |
//! | [`memory`], [`descriptors`] | memory and file descriptors of the process, and their limits |
//! | [`tasks`], [`pool`] | supervised tasks and threads; worker threads that are replaced after a failure |
//! | [`output`] | standard output and standard error |
//! | [`printable`] | escapes of text that others wrote |
//! | [`shutdown`], [`signals`], [`exit`] | the shutdown token, SIGTERM and SIGINT, the exit codes |
//!
//! ```no_run
//! use chassis::config::{ErrorCollector, Validate};
//! use chassis::run::Process;
//! use chassis::telemetry::Catalogue;
//! use chassis::{Context, Failure, EndPolicy, Service};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default, Serialize, Deserialize)]
//! #[serde(default)]
//! struct Config {
//!     process: Process,
//! }
//!
//! impl Validate for Config {
//!     fn validate(&self, errors: &mut ErrorCollector) {
//!         errors.nest("process", &self.process);
//!     }
//! }
//!
//! struct Echo;
//!
//! impl Service for Echo {
//!     const NAME: &'static str = "echo";
//!     const VERSION: &'static str = "0.1.0";
//!     type Config = Config;
//!     type Running = ();
//!
//!     fn catalogue() -> Catalogue {
//!         Catalogue::new()
//!     }
//!
//!     fn process(config: &Config) -> &Process {
//!         &config.process
//!     }
//!
//!     async fn start(_config: Config, context: Context) -> Result<(), Failure> {
//!         let shutdown = context.shutdown.clone();
//!         context.tasks.spawn("loop", EndPolicy::MustRun, async move {
//!             shutdown.begun().await;
//!             Ok(())
//!         });
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     chassis::run::<Echo>()
//! }
//! ```

pub mod admin;
#[cfg(all(feature = "jemalloc", target_os = "linux", target_env = "gnu"))]
mod allocator;
pub mod clock;
pub mod config;
pub mod descriptors;
pub mod exit;
pub mod failure;
pub mod health;
pub mod memory;
pub mod output;
pub mod pool;
pub mod printable;
pub mod run;
pub mod serve;
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
pub use tasks::{EndPolicy, Tasks};
