//! Memory of the workers and of their results, as parts of the sum that is compared with the limit of the container at start.

use domain::Bar;
use hosting::Part;
use kit::SaturatingFrom;

use crate::config::RequestsSection;
use crate::stage::{WAITING_RESULTS_BYTES_MAX, WORKER_SYMBOLS_MAX};

/// Bytes of a bar in a window that a job has copied.
pub const BAR_BYTES: u64 = size_of::<Bar>() as u64;

/// Bytes of a symbol of a job in addition to its bars: the results of all sets.
pub const RESULT_BYTES: u64 = 22 << 10;

/// Returns the parts of the workers, when there are as many as there may be, and of the results that wait for an earlier one. While one
/// symbol is missing to a full request per worker, one more full request is started.
#[must_use]
pub fn memory_parts(requests: &RequestsSection) -> Vec<Part> {
    let running_symbols = u64::saturating_from(requests.workers_max)
        .saturating_add(1)
        .saturating_mul(u64::saturating_from(WORKER_SYMBOLS_MAX))
        .saturating_sub(1);
    let bars = u64::saturating_from(requests.history_bars).saturating_mul(BAR_BYTES);
    let symbol = bars.saturating_add(RESULT_BYTES);
    vec![
        Part { name: "requests.workers_max".to_owned(), bytes: running_symbols.saturating_mul(symbol) },
        Part::of("results that wait for an earlier one", 1, WAITING_RESULTS_BYTES_MAX),
    ]
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
        let waiting = "results that wait for an earlier one 8 MiB";
        assert_eq!(parts(&requests), ["requests.workers_max 32 MiB", waiting]);
        assert_eq!(
            parts(&RequestsSection { workers_max: 16, ..requests.clone() }),
            ["requests.workers_max 60 MiB", waiting]
        );
        assert_eq!(
            parts(&RequestsSection { workers_min: 8, ..requests }),
            ["requests.workers_max 32 MiB", waiting]
        );
    }
}
