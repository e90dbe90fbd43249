//! Time limit and waits of the retries of a registration.

use std::time::{Duration, Instant};

use kit::Backoff;

use super::error::RegistryCallError;

/// The wait after a failed registration, doubled up to one of the others; with full jitter.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const START_WAIT_MAX: Duration = Duration::from_secs(2);
const CONFIRM_WAIT_MAX: Duration = Duration::from_secs(30);

/// The time limit of a registration.
#[derive(Clone, Copy)]
pub(super) enum RetryLimit {
    Until { deadline: Instant, waited_ms: u32 },
    Unlimited,
}

impl RetryLimit {
    pub(super) fn backoff(self) -> Backoff {
        let wait_max = match self {
            Self::Until { .. } => START_WAIT_MAX,
            Self::Unlimited => CONFIRM_WAIT_MAX,
        };
        Backoff::new(FIRST_WAIT, wait_max)
    }

    /// Returns whether a retry may succeed: without a time limit, also after another server's response.
    pub(super) fn admits_retry(self, error: &RegistryCallError) -> bool {
        let is_other_server = matches!(error, RegistryCallError::NotRegistry(_));
        error.is_transient() || is_other_server && matches!(self, Self::Unlimited)
    }

    /// Returns the time limit in milliseconds if a retry after this wait would exceed it.
    pub(super) fn exceeded_after(self, wait: Duration) -> Option<u32> {
        match self {
            Self::Until { deadline, waited_ms } => (Instant::now() + wait >= deadline).then_some(waited_ms),
            Self::Unlimited => None,
        }
    }
}
