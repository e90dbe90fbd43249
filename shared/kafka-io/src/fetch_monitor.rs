//! Ratio of decompressed to compressed bytes of what the consumers of a stage fetch.
//!
//! librdkafka limits the compressed bytes of a response, and nothing limits what they are decompressed to: it queues all of them. So the
//! memory sum at start assumes how much memory a fetched byte needs. Statistics of the consumers show how much it needs in fact.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kit::{Hysteresis, Marks, SaturatingFrom};
use metrics::Gauge;
use serde::Deserialize;

use crate::broker_monitor::STATISTICS_INTERVAL_MS;
use crate::config::KafkaConfig;
use crate::metric_names as names;

/// librdkafka's structure of a record in the queue of a consumer: 344 bytes, and what the allocator adds.
pub const FETCHED_RECORD_BYTES: u64 = 400;

/// `statistics.interval.ms` of the consumers of a stage. Their loop parses some 40 KB of JSON each time, for which it needs less than 1 ms.
pub(crate) const INTERVAL_MS: u32 = STATISTICS_INTERVAL_MS;

/// Samples of which the ratio is computed: a sample may end between the arrival of a response and the decompression of its records.
const SAMPLES: usize = 5;

/// Compressed bytes in these samples below which the ratio is not computed: responses without records would distort it. An idle table
/// receives up to 250 KB of them in this time.
const COMPRESSED_MIN: u64 = 1 << 20;

/// The label of the consumer of work.
pub(crate) const WORK: &str = "work";

/// Share of the counted memory, in percent, below which the use is no longer too high.
const LOW_PERCENT: u64 = 90;

/// Observes the fetches of a stage. Clones share it; it outlives the clients, which may be recreated.
#[derive(Clone)]
pub(crate) struct FetchMonitor(Arc<Shared>);

struct Shared {
    service: &'static str,
    stage: &'static str,
    work: Limits,
    side_inputs: Limits,
    consumers: Mutex<BTreeMap<&'static str, Consumer>>,
}

/// The limits of the records of a partition in a response.
#[derive(Clone, Copy)]
struct Limits {
    /// `fetch.message.max.bytes`.
    response_bytes: u64,
    /// Their memory in the memory sum.
    counted_bytes: u64,
}

struct Consumer {
    ratio: Gauge,
    limits: Limits,
    is_above: Hysteresis,
}

/// Observes the fetches of one client.
pub(crate) struct ClientFetches {
    monitor: FetchMonitor,
    consumer: &'static str,
    samples: Mutex<Samples>,
}

/// Totals of a client, or their difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
struct Totals {
    /// Bytes of all responses.
    #[serde(rename = "rx_bytes")]
    compressed: u64,
    /// Bytes of keys and values.
    #[serde(rename = "rxmsg_bytes")]
    decompressed: u64,
    #[serde(rename = "rxmsgs")]
    records: u64,
}

#[derive(Debug, Default)]
struct Samples {
    last: Totals,
    differences: VecDeque<Totals>,
}

// === impl FetchMonitor ===

impl FetchMonitor {
    pub(crate) fn new(service: &'static str, stage: &'static str, config: &KafkaConfig) -> Self {
        Self(Arc::new(Shared {
            service,
            stage,
            work: Limits {
                response_bytes: config.work_response_bytes(),
                counted_bytes: config.work_response_memory(),
            },
            side_inputs: Limits {
                response_bytes: config.side_input_response_bytes(),
                counted_bytes: config.side_input_response_memory(),
            },
            consumers: Mutex::default(),
        }))
    }

    /// Returns the observer of a new client. `consumer` is its label.
    #[expect(
        clippy::disallowed_macros,
        reason = "metric_names is the catalogue, and the handle is created once"
    )]
    pub(crate) fn client(&self, consumer: &'static str) -> ClientFetches {
        let shared = &self.0;
        lock(&shared.consumers).entry(consumer).or_insert_with(|| {
            let labels = [("service", shared.service), ("stage", shared.stage), ("consumer", consumer)];
            let ratio = metrics::gauge!(names::FETCH_COMPRESSION_RATIO, &labels);
            // Unknown.
            ratio.set(f64::NAN);
            let limits = if consumer == WORK { shared.work } else { shared.side_inputs };
            Consumer { ratio, limits, is_above: Hysteresis::new() }
        });
        ClientFetches { monitor: self.clone(), consumer, samples: Mutex::default() }
    }

    fn observe(&self, consumer: &'static str, fetched: Totals) {
        let shared = &self.0;
        let mut consumers = lock(&shared.consumers);
        let Some(Consumer { ratio, limits, is_above }) = consumers.get_mut(consumer) else { return };
        ratio.set(fetched.ratio());
        let was_above = is_above.is_set();
        let needed = fetched.memory_of(limits.response_bytes);
        let low = limits.counted_bytes / 100 * LOW_PERCENT;
        let is_above = is_above.update(needed, Marks::above(limits.counted_bytes).low(low));
        let (stage, ratio) = (shared.stage, (fetched.ratio() * 10.0).round() / 10.0);
        let (needed_kib, counted_kib) = (needed / 1_024, limits.counted_bytes / 1_024);
        let record_bytes = fetched.decompressed / fetched.records.max(1);
        match (was_above, is_above) {
            (false, true) => tracing::warn!(
                stage,
                consumer,
                ratio,
                record_bytes,
                needed_kib,
                counted_kib,
                fetch_message_max_bytes = limits.response_bytes,
                "memory sum too low: fetched records need more memory per partition than it counts; raise the memory limit, \
                 or lower fetch.message.max.bytes in kafka.options"
            ),
            (true, false) => tracing::info!(
                stage,
                consumer,
                ratio,
                record_bytes,
                needed_kib,
                counted_kib,
                "memory sum holds again: fetched records need no more memory per partition than it counts"
            ),
            _ => {}
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for consumer in lock(&self.consumers).values() {
            consumer.ratio.set(f64::NAN);
        }
    }
}

// === impl ClientFetches ===

impl ClientFetches {
    /// Takes the statistics of the client.
    pub(crate) fn statistics(&self, json: &[u8]) {
        match serde_json::from_slice(json) {
            Ok(totals) => {
                if let Some(fetched) = lock(&self.samples).add(totals) {
                    self.monitor.observe(self.consumer, fetched);
                }
            }
            Err(error) => tracing::debug!(%error, "unreadable statistics ignored"),
        }
    }
}

impl std::fmt::Debug for ClientFetches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientFetches").field("consumer", &self.consumer).finish_non_exhaustive()
    }
}

// === impl Totals ===

impl Totals {
    #[expect(clippy::cast_precision_loss, reason = "a ratio: 53 bits are enough")]
    fn ratio(self) -> f64 {
        self.decompressed as f64 / self.compressed.max(1) as f64
    }

    /// Returns the memory of the records in a response of this size.
    fn memory_of(self, response_bytes: u64) -> u64 {
        let memory = u128::from(self.decompressed) + u128::from(self.records * FETCHED_RECORD_BYTES);
        u64::saturating_from(memory * u128::from(response_bytes) / u128::from(self.compressed.max(1)))
    }

    /// Returns what was fetched since. `None` if a total has fallen: those of a partition end with its assignment.
    fn since(self, before: Self) -> Option<Self> {
        Some(Self {
            compressed: self.compressed.checked_sub(before.compressed)?,
            decompressed: self.decompressed.checked_sub(before.decompressed)?,
            records: self.records.checked_sub(before.records)?,
        })
    }
}

// === impl Samples ===

impl Samples {
    /// Adds a sample. Returns what the last ones fetched, if that is enough for a ratio.
    fn add(&mut self, totals: Totals) -> Option<Totals> {
        let Some(difference) = totals.since(std::mem::replace(&mut self.last, totals)) else {
            self.differences.clear();
            return None;
        };
        if self.differences.len() == SAMPLES {
            self.differences.pop_front();
        }
        self.differences.push_back(difference);
        let sum = |part: fn(&Totals) -> u64| self.differences.iter().map(part).sum();
        let fetched = Totals {
            compressed: sum(|of| of.compressed),
            decompressed: sum(|of| of.decompressed),
            records: sum(|of| of.records),
        };
        (fetched.compressed >= COMPRESSED_MIN).then_some(fetched)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
