//! The way back from work done elsewhere: a bounded channel that wakes the driver.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::raw::Wake;

/// Says that work is done. Cloned into every worker.
pub struct Completions<C> {
    sender: SyncSender<C>,
    wake: Wake,
}

/// The driver's end of the channel.
pub struct Completed<C> {
    pub(crate) receiver: Receiver<C>,
    pub(crate) wake: Wake,
}

/// A channel that holds at most `bound` completions: workers wait when the driver is behind.
#[must_use]
pub fn completions<C>(bound: usize) -> (Completions<C>, Completed<C>) {
    let (sender, receiver) = sync_channel(bound);
    let wake = Wake::default();
    (Completions { sender, wake: wake.clone() }, Completed { receiver, wake })
}

impl<C> Completions<C> {
    /// Hands a completion to the driver, waiting while the channel is full.
    ///
    /// # Errors
    /// Gives the completion back when the driver has ended.
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
