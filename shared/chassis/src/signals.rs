//! SIGTERM and SIGINT: the first one begins the drain, the second one means now.
//!
//! They are heard on a thread and a runtime of their own, so that a process whose workers are all blocked still obeys.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::exit::Exit;
use crate::shutdown::{Cause, Shutdown};

/// Listens for the life of the process. When this returns, signals no longer kill it at once.
///
/// # Errors
///
/// When the operating system refuses a handler or a thread.
pub fn listen(shutdown: &Shutdown) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    drop(guard);
    let shutdown = shutdown.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(obey(&shutdown, async || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        }));
        tracing::error!(code = Exit::SecondSignal.code(), "second signal, leaving without draining");
        std::process::exit(i32::from(Exit::SecondSignal.code()));
    })?;
    Ok(())
}

/// A signal that follows the first within this time is the same one, sent twice: `timeout` signals the process and then its
/// group, a terminal the whole group. A person who means now is slower.
const SAME_SIGNAL: Duration = Duration::from_millis(250);

/// Takes signals from `next` by name: the first begins the shutdown, and this returns at the second.
async fn obey(shutdown: &Shutdown, mut next: impl AsyncFnMut() -> &'static str) {
    let name = next().await;
    tracing::info!(signal = name, "signal, draining");
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
    async fn the_first_signal_drains_and_a_later_one_ends_the_wait() {
        let shutdown = Shutdown::new();
        // Sent twice at once, and again by someone who has waited.
        let mut left = vec![(400, "SIGINT"), (0, "SIGTERM"), (0, "SIGTERM")];
        let next = async || {
            let (wait_ms, name) = left.pop().expect("asked for a fourth signal");
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            name
        };
        obey(&shutdown, next).await;
        assert!(left.is_empty(), "two signals at once are one");
        assert_eq!(shutdown.cause(), Some(Cause::Signal("SIGTERM")));
    }

    #[tokio::test]
    async fn one_signal_alone_leaves_time_to_drain() {
        let shutdown = Shutdown::new();
        let mut left = vec!["SIGTERM"];
        let obeyed = obey(&shutdown, async || match left.pop() {
            Some(name) => name,
            None => pending().await,
        });
        tokio::select! {
            biased;
            () = obeyed => panic!("one signal is not two"),
            () = shutdown.begun() => {}
        }
    }
}
