//! Memory check at start: compares the maximum memory of the configuration with the container's limit, so that a process fails at start and
//! is not killed by the kernel at full load.
//!
//! The sum covers all stages of the process, because the limit applies to the process. The part of a stage is released when it ends.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use chassis::{Exit, Failure};
use kafka_io::{FETCHED_RECORD_BYTES, KafkaConfig, LOADING_PARTITIONS_MAX, Profile, READ_BYTES_MAX};
use kit::SaturatingFrom;
use pipeline::{Delivery, Options};

const MIB: u64 = 1 << 20;

/// Memory of an idle process: code, threads, metrics and librdkafka's buffers. An idle service uses half of it.
pub const PROCESS_BYTES: u64 = 64 * MIB;

/// A held alert with texts of the maximum length. Requests of `feature` are bounded by their memory, within the same sum.
const HELD_RECORD_BYTES: u64 = 1_280;

/// Above this share of the limit a warning is logged: memory that is not counted (allocator, page cache) needs space too.
const TIGHT_PERCENT: u64 = 80;

static RESERVED: Mutex<Vec<Part>> = Mutex::new(Vec::new());

/// The maximum memory of one part of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Stage and kind of memory, for the error message.
    pub name: String,
    /// Upper bound; an estimate where the configuration bounds a count and not bytes.
    pub bytes: u64,
}

impl Part {
    /// Memory of up to `count` values of a setting.
    #[must_use]
    pub fn of(setting: &str, count: usize, each_bytes: usize) -> Self {
        let bytes = u64::saturating_from(count).saturating_mul(u64::saturating_from(each_bytes));
        Self { name: setting.to_owned(), bytes }
    }

    /// Memory of up to `count` values in each partition.
    #[must_use]
    pub fn in_partitions(setting: &str, kafka: &KafkaConfig, count: usize, each_bytes: usize) -> Self {
        Self::of(setting, count.saturating_mul(usize::saturating_from(kafka.partitions)), each_bytes)
    }
}

/// Reserved parts, none by default. Dropping it releases them.
#[derive(Debug, Default)]
#[must_use = "dropping it releases the parts"]
pub struct Reserved(Vec<Part>);

/// Comparison of the sum with the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Unlimited,
    Fits,
    Tight,
    Exceeds,
}

/// Reserves parts in addition to those of the stages that [`host`](crate::host) reserves. None on the embedded broker, which stores its
/// topics in the same process without a known bound: a sum would mean nothing.
///
/// # Errors
/// [`Exit::Usage`] if the sum of all parts exceeds the container's limit. The message lists the parts, largest first.
pub fn reserve(kafka: &KafkaConfig, parts: Vec<Part>) -> Result<Reserved, Failure> {
    if parts.is_empty() || kafka.profile == Profile::Embedded {
        return Ok(Reserved::default());
    }
    let mut all = {
        let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
        reserved.extend(parts.iter().cloned());
        reserved.clone()
    };
    let reserved = Reserved(parts);
    all.push(Part { name: "idle process".to_owned(), bytes: PROCESS_BYTES });
    all.sort_by_key(|part| std::cmp::Reverse(part.bytes));
    let limit = chassis::memory::limit_bytes();
    let sum_mib = sum(&all) / MIB;
    match fit(sum(&all), limit) {
        Fit::Unlimited => tracing::info!(sum_mib, "memory check skipped: the container has no memory limit"),
        Fit::Fits => tracing::info!(sum_mib, limit_mib = limit.unwrap_or(0) / MIB, "memory check passed"),
        Fit::Tight => tracing::warn!(
            sum_mib,
            limit_mib = limit.unwrap_or(0) / MIB,
            parts = list(&all),
            "configured memory is above 80 % of the container's limit"
        ),
        Fit::Exceeds => {
            let limit_mib = limit.unwrap_or(0) / MIB;
            let cause = format!(
                "configured memory {sum_mib} MiB exceeds the container's limit {limit_mib} MiB: {}; lower \
                 kafka.prefetch_kib or a named setting, or raise the limit",
                list(&all)
            );
            return Err(Failure::with(Exit::Usage, cause));
        }
    }
    Ok(reserved)
}

/// Returns the parts of one stage: the prefetch and the responses of its consumers, and the bounds of the engine. All consumers but one read
/// side inputs. Empty on the embedded broker, which stores its topics in the same process without a known bound.
#[must_use]
pub fn of_stage(stage: &str, kafka: &KafkaConfig, inputs: usize, consumers: u64) -> Vec<Part> {
    if kafka.profile == Profile::Embedded {
        return Vec::new();
    }
    let bounds = Options::new(Delivery::Transactional);
    let partitions = u64::saturating_from(inputs).saturating_mul(u64::saturating_from(kafka.partitions));
    let part = |what: &str, count: u64, each: u64| Part {
        name: format!("{stage}: {what}"),
        bytes: count.saturating_mul(each),
    };
    vec![
        part("consumer prefetch", consumers, prefetch(kafka)),
        part("responses", partitions, kafka.work_response_memory()),
        part("responses of side inputs", consumers.saturating_sub(1), loading(kafka)),
        part("held records", bounds.held_records_max, HELD_RECORD_BYTES),
        part("ledgers", partitions, u64::saturating_from(bounds.ledger_bytes_max())),
        part("outputs in flight", 1, u64::saturating_from(bounds.outputs_memory_max())),
    ]
}

/// Returns the parts of a [`TopicReader`](kafka_io::TopicReader) in addition to the stages: the prefetch and responses of its consumer, and the records of
/// one read, once as they were read and once as what is made of them. Empty on the embedded broker.
#[must_use]
pub fn of_reader(name: &str, kafka: &KafkaConfig) -> Vec<Part> {
    if kafka.profile == Profile::Embedded {
        return Vec::new();
    }
    let part = |what: &str, bytes: u64| Part { name: format!("{name}: {what}"), bytes };
    vec![
        part("consumer prefetch", prefetch(kafka)),
        part("responses", loading(kafka)),
        part("records of a read", 2 * u64::saturating_from(READ_BYTES_MAX)),
    ]
}

/// Returns the memory of the records that a consumer has fetched and not returned.
fn prefetch(kafka: &KafkaConfig) -> u64 {
    u64::from(kafka.prefetch_kib) * 1_024 + kafka.prefetch_records_max() * FETCHED_RECORD_BYTES
}

/// Returns the memory of the responses with partitions that are read from their start.
fn loading(kafka: &KafkaConfig) -> u64 {
    u64::saturating_from(LOADING_PARTITIONS_MAX) * kafka.side_input_response_memory()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_above_four_fifths_of_the_limit_is_tight() {
        assert_eq!(fit(1, None), Fit::Unlimited);
        assert_eq!(fit(80 * MIB, Some(100 * MIB)), Fit::Fits);
        assert_eq!(fit(81 * MIB, Some(100 * MIB)), Fit::Tight);
        assert_eq!(fit(100 * MIB, Some(100 * MIB)), Fit::Tight);
        assert_eq!(fit(100 * MIB + 1, Some(100 * MIB)), Fit::Exceeds);
    }

    #[test]
    fn stage_memory_follows_its_configuration() {
        let kafka = KafkaConfig::default();
        let one = of_stage("bridge", &kafka, 1, 1);
        let more =
            of_stage("bridge", &KafkaConfig { prefetch_kib: 2 * kafka.prefetch_kib, ..kafka.clone() }, 1, 3);
        // 2,048 KiB of values, five records for each, and four partitions of a side input.
        let (queue, loading) = (2 * MIB + 10_240 * FETCHED_RECORD_BYTES, 4 * 8 * MIB);
        assert_eq!(sum(&more) - sum(&one), 5 * queue + 2 * loading);
        assert!(list(&one).contains("bridge: consumer prefetch 6 MiB"), "{}", list(&one));
        assert!(list(&one).contains("bridge: responses 12 MiB"), "{}", list(&one));
        assert!(list(&more).contains("bridge: responses of side inputs 64 MiB"), "{}", list(&more));
        // A service with two stages fits into four fifths of 768 MiB by default, one with one stage into those of 512 MiB.
        assert!(PROCESS_BYTES + sum(&of_stage("any", &kafka, 2, 3)) < 512 * MIB / 5 * 4, "{}", list(&one));
        assert!(
            PROCESS_BYTES + 2 * sum(&of_stage("any", &kafka, 1, 3)) < 768 * MIB / 5 * 4,
            "{}",
            list(&one)
        );
        assert_eq!(of_stage("any", &KafkaConfig::embedded("a:1"), 1, 1), []);
    }

    #[test]
    fn dropped_reservation_is_released() {
        let part = Part { name: "a test".to_owned(), bytes: 1 };
        let reserved = Reserved(vec![part.clone()]);
        RESERVED.lock().unwrap().push(part.clone());
        drop(reserved);
        assert!(!RESERVED.lock().unwrap().contains(&part));
    }
}
