//! Admission of requests: a bound of requests and of bytes in memory, and a part of both for each remote address.
//!
//! A request that finds no free slot waits a short time, without its body being read, and is then rejected. Slots are assigned in the
//! order of the requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::serve::Peer;
use kit::SaturatingFrom;
use metrics::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Bytes are counted in this unit, so that the count of a body fits in 32 bits.
const UNIT: usize = 1_024;

/// Bounds of the requests in progress.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionLimits {
    /// Maximum number of requests.
    pub requests_max: usize,
    /// Maximum size of their bodies and results.
    pub bytes_max: usize,
    /// The part of both that one remote address may use, 1 for all.
    pub peer_share: f64,
    /// A request of this size is admitted whatever the part of its address.
    pub request_bytes_max: usize,
    /// Maximum wait for a free slot.
    pub wait: Duration,
}

/// The gauges of the requests in progress.
#[derive(Clone)]
pub(super) struct InFlight {
    pub(super) requests: Gauge,
    pub(super) bytes: Gauge,
}

pub(super) struct Admission {
    limits: AdmissionLimits,
    all: Pool,
    /// The addresses with requests in progress, so at most as many as there are connections.
    peers: Mutex<HashMap<Peer, Arc<Pool>>>,
    in_flight: InFlight,
}

/// A request in progress. Dropping it frees its slot.
pub(super) struct Slot {
    permits: Vec<OwnedSemaphorePermit>,
    peer: Option<PeerPool>,
    admission: Arc<Admission>,
    is_counted: bool,
    units: usize,
}

/// No slot became free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("request rejected: {requests_max} requests are in progress, the maximum; retry later")]
    Requests { requests_max: usize },
    #[error("request rejected: {bytes_max} bytes of bodies are in memory, the maximum; retry later")]
    Bytes { bytes_max: usize },
    #[error(
        "request rejected: {requests_max} requests of this address are in progress, its maximum; retry later"
    )]
    PeerRequests { requests_max: usize },
    #[error(
        "request rejected: {bytes_max} bytes of bodies of this address are in memory, its maximum; retry later"
    )]
    PeerBytes { bytes_max: usize },
}

struct Pool {
    requests: Arc<Semaphore>,
    requests_max: usize,
    units: Arc<Semaphore>,
    bytes_max: usize,
}

/// The pool of an address, evicted with its last request.
struct PeerPool {
    pool: Arc<Pool>,
    peer: Peer,
    admission: Arc<Admission>,
}

// === impl Admission ===

impl Admission {
    pub(super) fn new(limits: AdmissionLimits, in_flight: InFlight) -> Arc<Self> {
        in_flight.requests.set(0.0);
        in_flight.bytes.set(0.0);
        let all = Pool::new(limits.requests_max, limits.bytes_max);
        Arc::new(Self { limits, all, peers: Mutex::default(), in_flight })
    }

    /// Waits for a slot for a request of this size.
    ///
    /// # Errors
    /// No slot became free in time.
    pub(super) async fn enter(self: &Arc<Self>, peer: Peer, bytes: usize) -> Result<Slot, Full> {
        let deadline = Instant::now() + self.limits.wait;
        let mut slot = Slot {
            permits: Vec::with_capacity(4),
            peer: self.pool_of(peer),
            admission: Arc::clone(self),
            is_counted: false,
            units: 0,
        };
        if let Some(PeerPool { pool, .. }) = &slot.peer {
            let full = Full::PeerRequests { requests_max: pool.requests_max };
            slot.permits.push(acquire(&pool.requests, 1, deadline).await.ok_or(full)?);
        }
        let full = Full::Requests { requests_max: self.all.requests_max };
        slot.permits.push(acquire(&self.all.requests, 1, deadline).await.ok_or(full)?);
        slot.is_counted = true;
        self.in_flight.requests.increment(1.0);
        slot.add_units(bytes.div_ceil(UNIT), deadline).await?;
        Ok(slot)
    }

    /// Returns `None` if an address may use all slots.
    fn pool_of(self: &Arc<Self>, peer: Peer) -> Option<PeerPool> {
        let AdmissionLimits { requests_max, bytes_max, peer_share, request_bytes_max, .. } = self.limits;
        if peer_share >= 1.0 {
            return None;
        }
        let new = || {
            let bytes = part(bytes_max, peer_share).max(request_bytes_max);
            Arc::new(Pool::new(part(requests_max, peer_share), bytes))
        };
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = Arc::clone(peers.entry(peer).or_insert_with(new));
        Some(PeerPool { pool, peer, admission: Arc::clone(self) })
    }
}

/// Returns the part of a bound, at least 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "between 0 and the bound, which is far below 2^53"
)]
fn part(bound: usize, share: f64) -> usize {
    ((bound as f64 * share) as usize).max(1)
}

async fn acquire(
    semaphore: &Arc<Semaphore>,
    count: usize,
    deadline: Instant,
) -> Option<OwnedSemaphorePermit> {
    let acquired = Arc::clone(semaphore).acquire_many_owned(u32::saturating_from(count));
    timeout_at(deadline, acquired).await.ok()?.ok()
}

// === impl Slot ===

impl Slot {
    /// Increases the size of the request, and waits for that.
    ///
    /// # Errors
    /// The bytes did not become free in time. The slot remains as it is.
    pub(super) async fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let deadline = Instant::now() + self.admission.limits.wait;
        self.add_units(bytes.div_ceil(UNIT), deadline).await
    }

    /// Decreases the size of the request by a part of its last growth, rounded down to whole kibibytes.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let units = bytes / UNIT;
        let of_last = if self.peer.is_some() { 2 } else { 1 };
        let first = self.permits.len().saturating_sub(of_last);
        let split =
            self.permits[first..].iter_mut().map(|permit| permit.split(units)).collect::<Option<Vec<_>>>();
        if split.is_some() {
            self.units -= units;
            self.admission.in_flight.bytes.decrement(in_bytes(units));
        }
    }

    /// The reserved size, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.units * UNIT
    }

    async fn add_units(&mut self, units: usize, deadline: Instant) -> Result<(), Full> {
        let of_peer = match &self.peer {
            Some(PeerPool { pool, .. }) => {
                let full = Full::PeerBytes { bytes_max: pool.bytes_max };
                Some(acquire(&pool.units, units, deadline).await.ok_or(full)?)
            }
            None => None,
        };
        let all = &self.admission.all;
        let full = Full::Bytes { bytes_max: all.bytes_max };
        let of_all = acquire(&all.units, units, deadline).await.ok_or(full)?;
        self.permits.extend(of_peer.into_iter().chain([of_all]));
        self.units += units;
        self.admission.in_flight.bytes.increment(in_bytes(units));
        Ok(())
    }
}

fn in_bytes(units: usize) -> f64 {
    f64::from(u32::saturating_from(units)) * f64::from(u32::saturating_from(UNIT))
}

impl Drop for Slot {
    fn drop(&mut self) {
        let in_flight = &self.admission.in_flight;
        in_flight.bytes.decrement(in_bytes(self.units));
        if self.is_counted {
            in_flight.requests.decrement(1.0);
        }
    }
}

// === impl Pool ===

impl Pool {
    fn new(requests_max: usize, bytes_max: usize) -> Self {
        let semaphore = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let units = semaphore(bytes_max.div_ceil(UNIT));
        Self { requests: semaphore(requests_max), requests_max, units, bytes_max }
    }
}

impl Drop for PeerPool {
    fn drop(&mut self) {
        let mut peers = self.admission.peers.lock().unwrap_or_else(PoisonError::into_inner);
        // This one and that of the map: a clone is made only under the lock.
        if Arc::strong_count(&self.pool) == 2 {
            peers.remove(&self.peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AdmissionLimits = AdmissionLimits {
        requests_max: 4,
        bytes_max: 100 << 10,
        peer_share: 0.5,
        request_bytes_max: 60 << 10,
        wait: Duration::from_millis(1),
    };

    fn admission(limits: AdmissionLimits) -> Arc<Admission> {
        let in_flight = InFlight { requests: Gauge::noop(), bytes: Gauge::noop() };
        Admission::new(limits, in_flight)
    }

    fn peer(last: u8) -> Peer {
        Peer::from(std::net::IpAddr::from([10, 0, 0, last]))
    }

    #[tokio::test]
    async fn address_gets_its_part_and_others_the_rest() {
        let admission = admission(LIMITS);
        let enter = async |last| admission.enter(peer(last), 1).await;
        let own = [enter(1).await.unwrap(), enter(1).await.unwrap()];
        assert_eq!(enter(1).await.err(), Some(Full::PeerRequests { requests_max: 2 }));
        let others = [enter(2).await.unwrap(), enter(3).await.unwrap()];
        assert_eq!(enter(4).await.err(), Some(Full::Requests { requests_max: 4 }));
        drop(own);
        let later = [enter(4).await.unwrap(), enter(1).await.unwrap()];
        assert_eq!(admission.peers.lock().unwrap().len(), 4);
        drop((others, later));
        assert_eq!(admission.peers.lock().unwrap().len(), 0, "evicted with the last request");
    }

    #[tokio::test]
    async fn bytes_are_bounded_in_total_and_per_address() {
        let admission = admission(LIMITS);
        let mut large = admission.enter(peer(1), 50 << 10).await.unwrap();
        assert_eq!(
            admission.enter(peer(1), 11 << 10).await.err(),
            Some(Full::PeerBytes { bytes_max: 60 << 10 })
        );
        let other = admission.enter(peer(2), 45 << 10).await.unwrap();
        assert_eq!(large.grow(6 << 10).await, Err(Full::Bytes { bytes_max: 100 << 10 }));
        assert_eq!(large.bytes(), 50 << 10, "a failed growth changes nothing");
        drop(other);
        large.grow(10 << 10).await.unwrap();
        assert_eq!(large.bytes(), 60 << 10);
        large.shrink((9 << 10) + 1_023);
        assert_eq!(large.bytes(), 51 << 10);
        large.grow(9 << 10).await.unwrap();
        let other = admission.enter(peer(2), 40 << 10).await.unwrap();
        drop((large, other));
        admission.enter(peer(1), 60 << 10).await.unwrap();
    }

    #[tokio::test]
    async fn place_that_becomes_free_in_time_is_assigned() {
        let wait = Duration::from_secs(60);
        let admission = admission(AdmissionLimits { requests_max: 1, peer_share: 1.0, wait, ..LIMITS });
        let first = admission.enter(peer(1), 1).await.unwrap();
        let free = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        // The future of `enter` is polled first, so it waits when the slot becomes free.
        let (second, ()) = tokio::join!(admission.enter(peer(1), 1), free);
        second.unwrap();
    }
}
