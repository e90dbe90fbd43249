//! Handling of SIGTERM and SIGINT: the first signal begins the drain, the second one ends the process at once.
//!
//! A thread with its own runtime receives the signals, so that a process whose workers are all blocked still reacts.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::exit::Exit;
use crate::shutdown::{Cause, Shutdown};

/// Installs the signal handlers for the rest of the process. After this call returns, a first signal no longer kills the process.
///
/// # Errors
/// The operating system can't install a handler or start a thread.
pub fn listen(shutdown: &Shutdown) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    drop(guard);
    let shutdown = shutdown.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(handle(&shutdown, async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        }));
        tracing::error!(code = Exit::SecondSignal.code(), "second signal received: exiting without draining");
        std::process::exit(i32::from(Exit::SecondSignal.code()));
    })?;
    Ok(())
}

/// A signal within this time after the first one is a duplicate: `timeout` signals the process and then its group, a terminal the whole
/// group. A person takes longer to send a second signal.
const SAME_SIGNAL: Duration = Duration::from_millis(250);

/// Receives names of signals from `next`. Begins the shutdown at the first signal and returns at the second.
async fn handle(shutdown: &Shutdown, mut next: impl AsyncFnMut() -> &'static str) {
    let name = next().await;
    tracing::info!(signal = name, "signal received, draining");
    shutdown.begin(Cause::Signal(name));
    let since = Instant::now();
    while {
        next().await;
        since.elapsed() < SAME_SIGNAL
    } {}
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn second_signal_ends_the_wait_and_a_duplicate_does_not() {
        let shutdown = Shutdown::new();
        // The first signal, its duplicate, and a second signal later.
        let mut left = vec![(400, "SIGINT"), (0, "SIGTERM"), (0, "SIGTERM")];
        let next = async || {
            let (wait_ms, name) = left.pop().expect("a fourth signal was requested");
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            name
        };
        handle(&shutdown, next).await;
        assert!(left.is_empty(), "two signals at once count as one");
        assert_eq!(shutdown.cause(), Some(Cause::Signal("SIGTERM")));
    }

    #[tokio::test]
    async fn single_signal_leaves_time_to_drain() {
        let shutdown = Shutdown::new();
        let mut left = vec!["SIGTERM"];
        let handled = handle(&shutdown, async || match left.pop() {
            Some(name) => name,
            None => pending().await,
        });
        tokio::select! {
            biased;
            () = handled => panic!("one signal ended the wait"),
            () = shutdown.begun() => {}
        }
    }
}
