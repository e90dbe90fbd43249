//! Shutdown handle of a driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::raw::Wake;

/// Requests the shutdown of a driver. Cheap to clone; further requests change nothing.
#[derive(Clone)]
pub struct Shutdown {
    requested: Arc<AtomicBool>,
    wake: Wake,
}

impl Shutdown {
    pub(crate) fn new(wake: Wake) -> Self {
        Self { requested: Arc::default(), wake }
    }

    /// Requests the shutdown: the driver stops fetching, drains, commits, leaves its group and returns.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Release);
        self.wake.wake();
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }
}
