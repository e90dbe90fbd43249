//! The producer: a separate process that writes numbered alerts to the topic at a steady pace and prints the slot up to which all
//! of them are acknowledged. An outage only delays it: no record times out.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use contracts::{Topic, encode, partition_for};
use kafka_io::{BatchProducer, KafkaConfig, OutRecord, ProduceError, ProducerLimits};
use tokio::task::JoinSet;

use crate::cli::ProduceArgs;
use crate::numbers::Numbers;

/// Interval between two batches.
const TICK: Duration = Duration::from_millis(20);
/// Longer than any outage.
const TIMEOUT: Duration = Duration::from_secs(3_600);
const IN_FLIGHT_MAX_BYTES: usize = 256 << 20;

/// Sends every slot from the first one on and returns when all of them are acknowledged.
///
/// # Errors
/// A record is not acknowledged, the client fails, or the output is closed.
pub fn run(args: &ProduceArgs) -> io::Result<()> {
    let pace = Arc::new(AtomicU64::new(args.pace.to_bits()));
    listen(Arc::clone(&pace))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(send_all(args, &pace))
}

/// Reads a new pace in records per second from each line of standard input; its end ends the process.
fn listen(pace: Arc<AtomicU64>) -> io::Result<()> {
    std::thread::Builder::new().name("pace".to_owned()).spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if let Ok(value) = line.parse::<f64>() {
                pace.store(value.to_bits(), Ordering::Relaxed);
            }
        }
        std::process::exit(1);
    })?;
    Ok(())
}

async fn send_all(args: &ProduceArgs, pace: &AtomicU64) -> io::Result<()> {
    let mut kafka = KafkaConfig { brokers: args.brokers.clone(), ..KafkaConfig::default() };
    // 0 disables the timeout.
    kafka.options.insert("message.timeout.ms".to_owned(), "0".to_owned());
    let limits = ProducerLimits { in_flight_max_bytes: IN_FLIGHT_MAX_BYTES, timeout: TIMEOUT };
    let producer = Arc::new(BatchProducer::new(&kafka, limits).map_err(io::Error::other)?);
    let numbers = args.numbers();
    // Below half a round: a number that is sent again after a crash still precedes the next number of its symbol.
    let open_max = numbers.symbols / 4;
    let (mut next, mut acknowledged) = (args.from, Acknowledged::from(args.from));
    let (mut credit, mut last) = (0.0, Instant::now());
    let mut batches: JoinSet<(u64, Vec<Result<kafka_io::RecordMetadata, ProduceError>>)> = JoinSet::new();
    #[expect(clippy::disallowed_methods, reason = "a pipe to the storm, which ends with it")]
    let mut out = io::stdout();
    while acknowledged.all_below() < numbers.slots() {
        tokio::time::sleep(TICK).await;
        credit += f64::from_bits(pace.load(Ordering::Relaxed)) * last.elapsed().as_secs_f64();
        last = Instant::now();
        let first = next;
        let mut records = Vec::new();
        while credit >= 1.0 && next < numbers.slots() && next - acknowledged.all_below() < open_max {
            records.extend(records_of(&numbers, next, args)?);
            credit -= 1.0;
            next += 1;
        }
        // The input of an outage is not sent in one burst after it.
        credit = credit.min(f64::from_bits(pace.load(Ordering::Relaxed)));
        if next > first {
            acknowledged.sent(next);
            let (producer, end) = (Arc::clone(&producer), next);
            batches.spawn(async move { (end, producer.produce(records).await) });
        }
        while let Some(done) = batches.try_join_next() {
            let (end, results) = done.map_err(io::Error::other)?;
            for result in results {
                result.map_err(|error| {
                    io::Error::other(format!("failed to write a record before slot {end}: {error}"))
                })?;
            }
            acknowledged.acknowledge(end);
        }
        writeln!(out, "{}", acknowledged.all_below())?;
    }
    Ok(())
}

fn records_of(numbers: &Numbers, slot: u64, args: &ProduceArgs) -> io::Result<Vec<OutRecord>> {
    let record = |raised| {
        let alert = numbers.alert(raised);
        let mut payload = Vec::new();
        encode(&alert, args.schema_id, &mut payload).map_err(io::Error::other)?;
        let partition = partition_for(alert.symbol.as_bytes(), args.partitions);
        Ok(OutRecord::new(Topic::AlertRaised, partition, alert.symbol, payload))
    };
    numbers.due(slot).map(record).collect()
}

/// The batches in their order, by the slot after their last one, and whether they are acknowledged.
struct Acknowledged {
    all_below: u64,
    open: VecDeque<(u64, bool)>,
}

impl Acknowledged {
    fn from(slot: u64) -> Self {
        Self { all_below: slot, open: VecDeque::new() }
    }

    fn sent(&mut self, end: u64) {
        self.open.push_back((end, false));
    }

    fn acknowledge(&mut self, end: u64) {
        if let Some(batch) = self.open.iter_mut().find(|batch| batch.0 == end) {
            batch.1 = true;
        }
        while let Some((end, true)) = self.open.front().copied() {
            self.all_below = end;
            self.open.pop_front();
        }
    }

    fn all_below(&self) -> u64 {
        self.all_below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_counts_once_all_earlier_ones_are_acknowledged() {
        let mut acknowledged = Acknowledged::from(5);
        for end in [7, 9, 12] {
            acknowledged.sent(end);
        }
        acknowledged.acknowledge(9);
        assert_eq!(acknowledged.all_below(), 5);
        acknowledged.acknowledge(7);
        assert_eq!(acknowledged.all_below(), 9);
        acknowledged.acknowledge(12);
        assert_eq!(acknowledged.all_below(), 12);
    }
}
