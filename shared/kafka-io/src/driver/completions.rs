//! Channel of completions: results of work outside of the driver's thread.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::raw::Wake;

/// Sends completions to the driver and wakes it. Each worker has a clone.
pub struct Completions<C> {
    sender: SyncSender<C>,
    wake: Wake,
}

/// The driver's end of the channel.
pub struct Completed<C> {
    pub(crate) receiver: Receiver<C>,
    pub(crate) wake: Wake,
}

/// Creates a channel of at most `bound` completions: when it is full, workers block until the driver receives some.
#[must_use]
pub fn completions<C>(bound: usize) -> (Completions<C>, Completed<C>) {
    let (sender, receiver) = sync_channel(bound);
    let wake = Wake::default();
    (Completions { sender, wake: wake.clone() }, Completed { receiver, wake })
}

impl<C> Completed<C> {
    /// Waits for a completion, for a test that has no driver. `None` if there is none within `timeout`, or there will be none.
    #[must_use]
    pub fn next_within(&self, timeout: Duration) -> Option<C> {
        self.receiver.recv_timeout(timeout).ok()
    }
}

impl<C> Completions<C> {
    /// Sends a completion to the driver. Blocks while the channel is full.
    ///
    /// # Errors
    /// Returns the completion if the driver has ended.
    pub fn send(&self, completion: C) -> Result<(), C> {
        self.sender.send(completion).map_err(|error| error.0)?;
        self.wake.wake();
        Ok(())
    }
}

impl<C> Clone for Completions<C> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), wake: self.wake.clone() }
    }
}
