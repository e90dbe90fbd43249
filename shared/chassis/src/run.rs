//! Main function of a service: arguments, configuration, telemetry, admin server, start, wait, drain, exit code.

mod args;
mod host;
mod probe;
mod service;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::admin::Version;
use crate::config::{self, ConfigErrors, Loaded, RenamedKey};
use crate::descriptors;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::shutdown::Shutdown;
use crate::signals;
use crate::telemetry::logs;

use args::Command;
pub use host::{Host, HostError, METRICS};
pub use service::{Context, Process, Service};

/// The time that the runtime may take to end after all tasks have ended.
const RUNTIME_END: Duration = Duration::from_secs(1);

/// Runs one service as a process, with the arguments and the environment of the process.
#[must_use]
pub fn run<S: Service>() -> ExitCode {
    run_with::<S>(std::env::args().skip(1), config::system_env()).into()
}

/// Runs one service with these arguments and this environment.
pub fn run_with<S: Service>(
    args: impl Iterator<Item = String>,
    env: impl Iterator<Item = (String, String)>,
) -> Exit {
    let command = match Command::parse(args) {
        Ok(command) => command,
        Err(error) => return reject(&format!("{}: {error}\n\n{}", S::NAME, args::usage::<S>())),
    };
    let file = match &command {
        Command::Help => return print::<S>(&args::usage::<S>()),
        Command::Version => return print::<S>(&format!("{} {}", S::NAME, version::<S>().details())),
        Command::Run { file } | Command::Check { file } | Command::Probe { file } => file.as_deref(),
    };
    let Loaded { config, renamed } = match load::<S>(file, env) {
        Ok(loaded) => loaded,
        Err(errors) => return reject(&errors.to_string()),
    };
    match command {
        Command::Check { .. } => {
            // The configuration on standard output stays valid JSON.
            renamed.iter().for_each(|key| output::note(&format!("note: {key}")));
            return print::<S>(&format!("{:#}", config::redacted(&config)));
        }
        Command::Probe { .. } => return probed::<S>(&config),
        Command::Run { .. } | Command::Version | Command::Help => {}
    }
    match run_process::<S>(config, &renamed) {
        Ok(exit) => exit,
        Err(failure) => {
            output::note(&format!("{}: {failure}", S::NAME));
            failure.exit()
        }
    }
}

fn load<S: Service>(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded<S::Config>, ConfigErrors> {
    config::load_with_renames(&config::prefix(S::NAME), file, env)
}

fn version<S: Service>() -> Version {
    Version { name: S::NAME, version: S::VERSION, features: S::features() }
}

/// Runs the process from the valid configuration to the exit code. An error means that the process failed to start.
fn run_process<S: Service>(config: S::Config, renamed: &[RenamedKey]) -> Result<Exit, Failure> {
    let process = S::process(&config).clone();
    // Before the signal handlers and the runtime, which need descriptors themselves.
    let parts = [vec![process.descriptors()], S::descriptors(&config)].concat();
    let soft_limit = descriptors::require(parts).map_err(|error| Failure::with(Exit::Usage, error))?;
    let shutdown = Shutdown::new();
    signals::listen(&shutdown)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(process.runtime_workers)
        .thread_name("runtime")
        .enable_all()
        .build()?;
    let host =
        Host::start(&process, &S::catalogue(), version::<S>(), runtime.handle().clone(), shutdown.clone())?;
    soft_limit.log();
    logs::log_panics();
    for RenamedKey { old, new, origin } in renamed {
        tracing::warn!(old, new, %origin, "configuration key renamed: the old name is accepted for one release");
    }
    let exit = runtime.block_on(serve::<S>(&host, config, shutdown, process.drain_budget()));
    runtime.shutdown_timeout(RUNTIME_END);
    tracing::info!(service = S::NAME, code = exit.code(), "process stopped");
    Ok(exit)
}

/// Runs the service from its start to the end of its tasks.
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
    // Held until the drain has ended: dropping it would drop parts that the tasks use.
    let (_running, failed) = match started {
        Some(Ok(running)) => {
            context.shutdown.begun().await;
            (Some(running), None)
        }
        Some(Err(failure)) => {
            tracing::error!(service = S::NAME, %failure, "failed to start the service");
            output::note(&format!("{}: {failure}", S::NAME));
            (None, Some(failure.exit()))
        }
        None => (None, None),
    };
    let outcome = context.drain(drain_budget).await.and(host.tasks().join(RUNTIME_END).await);
    failed.unwrap_or_else(|| outcome.exit())
}

fn probed<S: Service>(config: &S::Config) -> Exit {
    match probe::query(S::process(config).admin) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            output::note(&format!("{}: {}", S::NAME, Failure::from(error)));
            Exit::Failed
        }
    }
}

/// Prints the text and a newline.
fn print<S: Service>(text: &str) -> Exit {
    match output::print(&format!("{text}\n")) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            output::note(&format!("{}: {}", S::NAME, Failure::from(error)));
            Exit::Failed
        }
    }
}

fn reject(text: &str) -> Exit {
    output::note(text);
    Exit::Usage
}
