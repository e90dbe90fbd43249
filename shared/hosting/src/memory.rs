//! What a process may hold by its configuration, against what its container allows: found out at start, not by the kernel at full load.
//!
//! The sum runs over everything that the process hosts, since the limit is the process's: a stage's part is given back when it ends.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use chassis::{Exit, Failure};
use kafka_io::{KafkaConfig, Profile};
use pipeline::{Delivery, Options};

const MIB: u64 = 1 << 20;

/// Code, threads, metrics, and librdkafka's buffers at rest. A service at rest takes half of it.
pub const PROCESS_BYTES: u64 = 64 * MIB;

/// A fetch that is on its way when the queue is full: librdkafka's `fetch.message.max.bytes`.
const FETCH_BYTES: u64 = MIB;

/// A held record as a stage keeps it, by and large: our requests and alerts are 200 to 500 bytes on the wire.
const HELD_RECORD_BYTES: u64 = 1_024;

/// An entry of a ledger.
const LEDGER_ENTRY_BYTES: u64 = 40;

/// An output, by and large: most are below 1 KiB, a vector of every feature is 3. Twice: once in the engine, which may have to produce it
/// again, and once in the producer's queue.
const OUTPUT_BYTES: u64 = 2 * 1_024;

/// From here on a warning: what is not counted (allocator, page cache of the container) needs room as well.
const TIGHT_PERCENT: u64 = 80;

static RESERVED: Mutex<Vec<Part>> = Mutex::new(Vec::new());

/// Something that may hold so much, at its bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Who, and what of it.
    pub name: String,
    /// At most, or by and large where the bound is a count.
    pub bytes: u64,
}

/// Parts that count until it is dropped.
#[derive(Debug)]
#[must_use = "what is dropped counts no longer"]
pub struct Reserved(Vec<Part>);

/// How the sum stands to the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Unlimited,
    Fits,
    Tight,
    Exceeds,
}

/// Counts further parts of this process, beside those that stages hosted with [`host`](crate::host) count by themselves.
///
/// # Errors
/// [`Exit::Usage`] when all parts together may hold more than the container's limit; the message names them, largest first.
pub fn reserve(parts: Vec<Part>) -> Result<Reserved, Failure> {
    let mut all = {
        let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
        reserved.extend(parts.iter().cloned());
        reserved.clone()
    };
    let counted = Reserved(parts);
    all.push(Part { name: "the process itself".to_owned(), bytes: PROCESS_BYTES });
    all.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    let limit = chassis::memory::limit_bytes();
    let sum_mib = sum(&all) / MIB;
    match fit(sum(&all), limit) {
        Fit::Unlimited => tracing::info!(sum_mib, "memory is not checked: the container has no limit"),
        Fit::Fits => tracing::info!(sum_mib, limit_mib = limit.unwrap_or(0) / MIB, "memory fits"),
        Fit::Tight => tracing::warn!(
            sum_mib,
            limit_mib = limit.unwrap_or(0) / MIB,
            parts = list(&all),
            "memory is tight"
        ),
        Fit::Exceeds => {
            let limit_mib = limit.unwrap_or(0) / MIB;
            let cause = format!(
                "the configuration may hold {sum_mib} MiB, the container's limit is {limit_mib} MiB: {}; lower \
                 kafka.prefetch_kib or raise the limit",
                list(&all)
            );
            return Err(Failure::with(Exit::Usage, cause));
        }
    }
    Ok(counted)
}

/// What one stage may hold: its consumers' prefetch, and the engine's bounds. None on the embedded broker, which holds its topics in the
/// same process, without a bound that could be counted here.
#[must_use]
pub fn of_stage(stage: &str, kafka: &KafkaConfig, inputs: usize, consumers: u64) -> Vec<Part> {
    if kafka.profile == Profile::Embedded {
        return Vec::new();
    }
    let bounds = Options::new(Delivery::Transactional);
    let sources = wide(inputs).saturating_mul(u64::try_from(kafka.partitions).unwrap_or(0));
    let part = |what: &str, count: u64, each: u64| Part {
        name: format!("{stage}: {what}"),
        bytes: count.saturating_mul(each),
    };
    vec![
        part("prefetch of its consumers", consumers, u64::from(kafka.prefetch_kib) * 1_024 + FETCH_BYTES),
        part("held records", bounds.held_records_max, HELD_RECORD_BYTES),
        part("ledgers", sources.saturating_mul(wide(bounds.ledger_records_max)), LEDGER_ENTRY_BYTES),
        part("outputs in flight", wide(bounds.outputs_max), OUTPUT_BYTES),
    ]
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
        for part in &self.0 {
            if let Some(index) = reserved.iter().position(|known| known == part) {
                reserved.swap_remove(index);
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} MiB", self.name, self.bytes.div_ceil(MIB))
    }
}

fn fit(sum: u64, limit: Option<u64>) -> Fit {
    match limit {
        None => Fit::Unlimited,
        Some(limit) if sum > limit => Fit::Exceeds,
        Some(limit) if sum > limit / 100 * TIGHT_PERCENT => Fit::Tight,
        Some(_) => Fit::Fits,
    }
}

fn sum(parts: &[Part]) -> u64 {
    parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes))
}

fn list(parts: &[Part]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_held_against_the_limit_and_tight_from_four_fifths_on() {
        assert_eq!(fit(1, None), Fit::Unlimited);
        assert_eq!(fit(80 * MIB, Some(100 * MIB)), Fit::Fits);
        assert_eq!(fit(81 * MIB, Some(100 * MIB)), Fit::Tight);
        assert_eq!(fit(100 * MIB, Some(100 * MIB)), Fit::Tight);
        assert_eq!(fit(100 * MIB + 1, Some(100 * MIB)), Fit::Exceeds);
    }

    #[test]
    fn a_stage_counts_by_its_configuration_and_the_parts_are_named() {
        let kafka = KafkaConfig::default();
        let one = of_stage("bridge", &kafka, 1, 1);
        let more =
            of_stage("bridge", &KafkaConfig { prefetch_kib: 2 * kafka.prefetch_kib, ..kafka.clone() }, 1, 3);
        assert_eq!(sum(&more) - sum(&one), 5 * 16 * MIB + 2 * MIB);
        assert!(list(&one).contains("bridge: prefetch of its consumers 17 MiB"), "{}", list(&one));
        // So that a service of two stages fits into half a gibibyte by default.
        assert!(PROCESS_BYTES + 2 * sum(&of_stage("any", &kafka, 1, 3)) < 512 * MIB, "{}", list(&one));
        assert_eq!(of_stage("any", &KafkaConfig::embedded("a:1"), 1, 1), []);
    }

    #[test]
    fn what_is_dropped_counts_no_longer() {
        let part = Part { name: "a test".to_owned(), bytes: 1 };
        let reserved = Reserved(vec![part.clone()]);
        RESERVED.lock().unwrap().push(part.clone());
        drop(reserved);
        assert!(!RESERVED.lock().unwrap().contains(&part));
    }
}
