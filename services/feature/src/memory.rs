//! Memory of the workers, as a part of the sum that is compared with the limit of the container at start.

use domain::Bar;
use hosting::Part;
use kit::SaturatingFrom;

use crate::config::RequestsSection;
use crate::stage::WORKER_SYMBOLS_MAX;

/// Bytes of the bars that the jobs of a worker copy, for each bar of a window. A worker with almost a full request gets one more.
pub const WORKER_BAR_BYTES: u64 = (2 * WORKER_SYMBOLS_MAX as u64 - 1) * size_of::<Bar>() as u64;

/// Returns the part of the workers, when there are as many as there may be.
#[must_use]
pub fn memory_parts(requests: &RequestsSection) -> Vec<Part> {
    let bars = u64::saturating_from(requests.workers_max)
        .saturating_mul(u64::saturating_from(requests.history_bars))
        .saturating_mul(WORKER_BAR_BYTES);
    vec![Part { name: "requests.workers_max".to_owned(), bytes: bars }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_the_maximum_of_the_workers() {
        let requests = RequestsSection { workers_min: 1, ..RequestsSection::default() };
        let parts = |requests: &RequestsSection| {
            memory_parts(requests).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(parts(&requests), ["requests.workers_max 22 MiB"]);
        assert_eq!(
            parts(&RequestsSection { workers_max: 16, ..requests.clone() }),
            ["requests.workers_max 44 MiB"]
        );
        assert_eq!(parts(&RequestsSection { workers_min: 8, ..requests }), ["requests.workers_max 22 MiB"]);
    }
}
