//! Shutdown token with its cause.
//!
//! ```text
//! running ──begin(cause)──> draining        (a second begin changes nothing)
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The cause of a shutdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A signal of this name.
    Signal(&'static str),
    /// The task of this name failed.
    TaskFailed(String),
    /// The program itself, because its work is complete.
    Requested,
}

/// A token that is cancelled once. Clones share it. Reading it is cheap enough for the loop of a thread.
#[derive(Debug, Clone)]
pub struct Shutdown {
    begun: Arc<watch::Sender<Option<(Cause, Instant)>>>,
}

// === impl Shutdown ===

impl Shutdown {
    #[must_use]
    pub fn new() -> Self {
        Self { begun: Arc::new(watch::Sender::new(None)) }
    }

    /// Begins the shutdown, unless it has begun. Returns whether this call began it. The first cause is kept.
    pub fn begin(&self, cause: Cause) -> bool {
        self.begun.send_if_modified(|held| {
            let first = held.is_none();
            if first {
                *held = Some((cause, Instant::now()));
            }
            first
        })
    }

    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.begun.borrow().is_some()
    }

    /// Returns the cause. `None` before the shutdown.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.begun.borrow().as_ref().map(|(cause, _)| cause.clone())
    }

    /// Returns the time since the shutdown began. `None` before it.
    #[must_use]
    pub fn begun_for(&self) -> Option<Duration> {
        self.begun.borrow().as_ref().map(|(_, at)| at.elapsed())
    }

    /// Waits until the shutdown begins.
    pub async fn begun(&self) {
        let mut begun = self.begun.subscribe();
        // Never an error: `self` holds the sender.
        drop(begun.wait_for(Option::is_some).await);
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(name) => write!(f, "signal {name}"),
            Self::TaskFailed(name) => write!(f, "task {name} failed"),
            Self::Requested => f.write_str("work complete"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn second_begin_keeps_the_first_cause() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.is_begun());
        assert!(shutdown.begin(Cause::Signal("SIGTERM")));
        assert!(!shutdown.begin(Cause::Requested));
        shutdown.begun().await;
        assert_eq!(shutdown.cause(), Some(Cause::Signal("SIGTERM")));
        shutdown.begun_for().expect("the time since the shutdown began");
        assert_eq!(Shutdown::new().begun_for(), None);
    }

    #[tokio::test]
    async fn clones_share_the_shutdown() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        let (begun, ()) = tokio::join!(async { other.begun().await }, async {
            assert!(shutdown.begin(Cause::Requested));
        });
        let () = begun;
        assert!(other.is_begun());
    }
}
