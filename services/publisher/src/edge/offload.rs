//! Runs the computations of requests on threads other than those of the async runtime, so that a large body delays no other connection.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

/// The computations of a request with a body of at most this size take less time than the change of threads saves: at most some 20
/// findings.
const INLINE_BYTES_MAX: usize = 4 << 10;

/// Bounds the number of requests that compute at a time: one for each core.
pub(super) struct Offload(Arc<Semaphore>);

/// The permission of a request to compute.
pub(super) struct Permit(Option<OwnedSemaphorePermit>);

fn permits() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

impl Offload {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(permits())))
    }

    /// Waits for the permit of a request with a body of this size. Permits are given in the order of the calls.
    pub(super) async fn permit(&self, body_bytes: usize) -> Permit {
        if body_bytes <= INLINE_BYTES_MAX {
            return Permit(None);
        }
        // The semaphore is never closed.
        Permit(Arc::clone(&self.0).acquire_owned().await.ok())
    }
}

impl Permit {
    /// Runs the computation. It continues if the future is dropped, and keeps its permit until it ends.
    pub(super) async fn run<T: Send + 'static>(
        self,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> (T, Self) {
        if self.0.is_none() {
            return (compute(), self);
        }
        match spawn_blocking(move || (compute(), self)).await {
            Ok(computed) => computed,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime is being dropped, and this future with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::current;

    use super::*;

    #[tokio::test]
    async fn large_body_is_computed_on_another_thread() {
        let (offload, own) = (Offload::new(), current().id());
        let (thread, _) = offload.permit(INLINE_BYTES_MAX).await.run(|| current().id()).await;
        assert_eq!(thread, own);
        let permit = offload.permit(INLINE_BYTES_MAX + 1).await;
        let (thread, permit) = permit.run(|| current().id()).await;
        assert_ne!(thread, own);
        assert_eq!(offload.0.available_permits(), permits() - 1, "until it is dropped");
        drop(permit);
        assert_eq!(offload.0.available_permits(), permits());
    }

    #[tokio::test]
    #[should_panic(expected = "the computation's own")]
    async fn panic_of_a_computation_is_passed_on() {
        let permit = Offload::new().permit(INLINE_BYTES_MAX + 1).await;
        let ((), _) = permit.run(|| panic!("the computation's own")).await;
    }
}
