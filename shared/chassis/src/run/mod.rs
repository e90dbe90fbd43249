//! The main of a service, in order: arguments, configuration, telemetry, admin server, start, wait, drain, exit code.

mod args;
mod host;
mod probe;
mod service;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::config::{self, ConfigErrors};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::shutdown::Shutdown;
use crate::signals;
use crate::telemetry::logs;

use args::Ask;
pub use host::{Host, HostError, METRICS};
pub use service::{Context, Process, Service};

/// How long the runtime may take to end once all tasks have.
const RUNTIME_END: Duration = Duration::from_secs(1);

/// Runs one service as a process, by the process's arguments and environment.
#[must_use]
pub fn run<S: Service>() -> ExitCode {
    run_with::<S>(std::env::args().skip(1), config::system_env()).into()
}

/// Runs one service by the given arguments and environment.
pub fn run_with<S: Service>(
    args: impl Iterator<Item = String>,
    env: impl Iterator<Item = (String, String)>,
) -> Exit {
    let ask = match Ask::parse(args) {
        Ok(ask) => ask,
        Err(fault) => return refuse(&format!("{}: {fault}\n\n{}", S::NAME, args::usage::<S>())),
    };
    let file = match &ask {
        Ask::Help => return say(&args::usage::<S>()),
        Ask::Version => return say(&format!("{} {}", S::NAME, S::VERSION)),
        Ask::Run { file } | Ask::Check { file } | Ask::Probe { file } => file.as_deref(),
    };
    let config = match load::<S>(file, env) {
        Ok(config) => config,
        Err(faults) => return refuse(&faults.to_string()),
    };
    match ask {
        Ask::Check { .. } => return say(&format!("{:#}", config::redacted(&config))),
        Ask::Probe { .. } => return probed::<S>(&config),
        Ask::Run { .. } | Ask::Version | Ask::Help => {}
    }
    match live::<S>(config) {
        Ok(exit) => exit,
        Err(failure) => {
            eprintln!("{}: {failure}", S::NAME);
            failure.exit()
        }
    }
}

fn load<S: Service>(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<S::Config, ConfigErrors> {
    config::load(&config::prefix(S::NAME), file, env)
}

/// Everything between a good configuration and the exit code. An error means that the process never stood.
fn live<S: Service>(config: S::Config) -> Result<Exit, Failure> {
    let process = S::process(&config).clone();
    let shutdown = Shutdown::new();
    signals::listen(&shutdown)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(process.runtime_workers)
        .thread_name("runtime")
        .enable_all()
        .build()?;
    let version = crate::admin::Version { name: S::NAME, version: S::VERSION };
    let host = Host::start(&process, &S::catalogue(), version, runtime.handle().clone(), shutdown.clone())?;
    logs::log_panics();
    let exit = runtime.block_on(serve::<S>(&host, config, shutdown, process.drain_budget()));
    runtime.shutdown_timeout(RUNTIME_END);
    tracing::info!(service = S::NAME, code = exit.code(), "ends");
    Ok(exit)
}

/// From the start of the service to the end of its tasks.
async fn serve<S: Service>(
    host: &Host,
    config: S::Config,
    shutdown: Shutdown,
    drain_budget: Duration,
) -> Exit {
    let context = host.context(S::NAME, shutdown);
    let started = tokio::select! {
        started = host.launch::<S>(config, &context) => Some(started),
        () = context.shutdown.begun() => None,
    };
    // A service that is held here works; dropping it before the drain would take its parts away.
    let (_running, failed) = match started {
        Some(Ok(running)) => {
            context.shutdown.begun().await;
            (Some(running), None)
        }
        Some(Err(failure)) => {
            tracing::error!(service = S::NAME, %failure, "start failed");
            eprintln!("{}: {failure}", S::NAME);
            (None, Some(failure.exit()))
        }
        None => (None, None),
    };
    let outcome = context.drain(drain_budget).await.and(host.tasks().join(RUNTIME_END).await);
    failed.unwrap_or_else(|| outcome.exit())
}

fn probed<S: Service>(config: &S::Config) -> Exit {
    match probe::ask(S::process(config).admin) {
        Ok(()) => Exit::Ok,
        Err(cause) => {
            eprintln!("{}: {cause}", S::NAME);
            Exit::Failed
        }
    }
}

fn say(text: &str) -> Exit {
    println!("{text}");
    Exit::Ok
}

fn refuse(text: &str) -> Exit {
    eprintln!("{text}");
    Exit::Usage
}
