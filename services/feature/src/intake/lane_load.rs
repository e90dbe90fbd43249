//! Number and memory of the queued requests of a lane, each with a bound.

use contracts::{FeatureRequest, RequestedSymbol};
use domain::{Symbol, Timestamp};
use kit::{Hysteresis, Marks};

/// Bounds of a lane. Each may be exceeded by the batch of records that was already fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneLimits {
    pub requests: usize,
    /// Memory of the requests, in bytes.
    pub bytes: usize,
}

/// The queued requests of a lane.
#[derive(Debug)]
pub(super) struct LaneLoad {
    limits: LaneLimits,
    requests: usize,
    bytes: usize,
    is_full_of_requests: Hysteresis,
    is_full_of_bytes: Hysteresis,
}

impl LaneLoad {
    pub(super) fn new(limits: LaneLimits) -> Self {
        let (is_full_of_requests, is_full_of_bytes) = (Hysteresis::new(), Hysteresis::new());
        Self { limits, requests: 0, bytes: 0, is_full_of_requests, is_full_of_bytes }
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.requests += 1;
        self.bytes += bytes;
        self.update();
    }

    pub(super) fn remove(&mut self, bytes: usize) {
        self.requests -= 1;
        self.bytes -= bytes;
        self.update();
    }

    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns `true` from a bound on, until less than half of both are queued.
    pub(super) fn is_full(&self) -> bool {
        self.is_full_of_requests.is_set() || self.is_full_of_bytes.is_set()
    }

    fn update(&mut self) {
        let thresholds = |max: usize| Marks::at(max).low(max.div_ceil(2));
        self.is_full_of_requests.update(self.requests, thresholds(self.limits.requests));
        self.is_full_of_bytes.update(self.bytes, thresholds(self.limits.bytes));
    }
}

/// The memory of an allocation in addition to its bytes: its size is rounded up, and a text may have space for more.
const ALLOCATION_BYTES: usize = 24;

/// The memory of a request without its texts and lists: an entry of the queue, which may have space for twice as many.
const ENTRY_BYTES: usize = 1_024;

/// Returns an upper bound of the memory of a queued request, in bytes.
#[must_use]
pub fn request_bytes(request: &FeatureRequest) -> usize {
    let text = |text: &String| text.len() + ALLOCATION_BYTES;
    let texts = |list: &Vec<String>| list.iter().map(|it| size_of::<String>() + text(it)).sum::<usize>();
    let symbol = |it: &RequestedSymbol| {
        size_of::<RequestedSymbol>() + text(&it.symbol) + size_of::<(Symbol, Timestamp)>()
    };
    let lists = [&request.feature_sets, &request.source_scanners, &request.correlation_ids];
    ENTRY_BYTES
        + request.symbols.iter().map(symbol).sum::<usize>()
        + lists.into_iter().map(texts).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lane_is_full_of_either_until_half_of_both() {
        for (count, bytes) in [(4_usize, 1), (2, 50)] {
            let mut load = LaneLoad::new(LaneLimits { requests: 4, bytes: 100 });
            for _ in 0..count {
                assert!(!load.is_full());
                load.add(bytes);
            }
            assert!(load.is_full());
            load.remove(bytes);
            assert!(load.is_full(), "not below half of {count}");
            while load.requests() >= count.div_ceil(2) {
                load.remove(bytes);
            }
            assert!(!load.is_full());
        }
    }
}
