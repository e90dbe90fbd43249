//! One token that says that the end has begun, and why.
//!
//! ```text
//! running ──begin(cause)──> draining        (a second begin changes nothing)
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// Who asked for the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A signal, by its name.
    Signal(&'static str),
    /// A task that failed, by its name.
    TaskFailed(String),
    /// The program itself: its work is done.
    Asked,
}

/// A token that is cancelled once; clones share it. Cheap to ask from a thread's loop.
#[derive(Debug, Clone)]
pub struct Shutdown {
    begun: Arc<watch::Sender<Option<(Cause, Instant)>>>,
}

// === impl Shutdown ===

impl Shutdown {
    /// A token that nobody has cancelled yet.
    #[must_use]
    pub fn new() -> Self {
        Self { begun: Arc::new(watch::Sender::new(None)) }
    }

    /// Begins the end. The first cause stays; returns whether this call was the first.
    pub fn begin(&self, cause: Cause) -> bool {
        self.begun.send_if_modified(|held| {
            let first = held.is_none();
            if first {
                *held = Some((cause, Instant::now()));
            }
            first
        })
    }

    /// Whether the end has begun.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.begun.borrow().is_some()
    }

    /// Why, once it has begun.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.begun.borrow().as_ref().map(|(cause, _)| cause.clone())
    }

    /// How long ago, once it has begun.
    #[must_use]
    pub fn begun_for(&self) -> Option<Duration> {
        self.begun.borrow().as_ref().map(|(_, at)| at.elapsed())
    }

    /// Returns when the end has begun.
    pub async fn begun(&self) {
        let mut begun = self.begun.subscribe();
        // An error would mean that the sender is gone, and `self` holds it.
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
            Self::Asked => f.write_str("the work is done"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_cause_stays() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.is_begun());
        assert!(shutdown.begin(Cause::Signal("SIGTERM")));
        assert!(!shutdown.begin(Cause::Asked));
        shutdown.begun().await;
        assert_eq!(shutdown.cause(), Some(Cause::Signal("SIGTERM")));
        assert!(shutdown.begun_for().is_some() && Shutdown::new().begun_for().is_none());
    }

    #[tokio::test]
    async fn clones_see_the_end_begin() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        let (begun, ()) = tokio::join!(async { other.begun().await }, async {
            assert!(shutdown.begin(Cause::Asked));
        });
        let () = begun;
        assert!(other.is_begun());
    }
}
