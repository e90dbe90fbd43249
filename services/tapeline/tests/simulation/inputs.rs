//! The records that scanners and operators write: proposals, alerts, gaps, range requests, and records without an event.

use backfill::stage::executor::INPUT as RANGES;
use contracts::{Alert, BackfillTrigger, DataKind, Event, Gap, Proposal, RangeRequest, Topic, ids};
use domain::{AlertType, Layer, Symbol, Timestamp};
use kafka_io::{OutRecord, Wire};
use tapeline::audit::Stage;

use crate::kafka::{Kafka, PARTITIONS};
use crate::stages;

const SYMBOLS: [&str; 9] = ["SPY", "AAPL", "ALFA", "BRAVO", "CHAR", "DELTA", "ECHO", "FOXT", "BRK.B"];

const SECOND_MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * SECOND_MICROS;

/// The writer of all inputs.
pub(crate) struct Inputs {
    wire: Wire,
    /// The range requests so far, some of which are repeated.
    ranges: Vec<RangeRequest>,
}

impl Inputs {
    pub(crate) fn new() -> Self {
        Self { wire: stages::wire(Stage::Announcer), ranges: Vec::new() }
    }

    /// Appends one random record.
    pub(crate) fn append(&mut self, kafka: &mut Kafka) {
        kafka.counts.records += 1;
        let kind = kafka.rng.below(100);
        let record = match kind {
            0..30 => self.write(&proposal(kafka)),
            30..75 => self.write(&alert(kafka)),
            75..85 => self.write(&gap(kafka)),
            85..96 => {
                let request = self.range(kafka);
                self.write(&request)
            }
            _ => invalid(kafka),
        };
        kafka.append(&record);
    }

    fn write<E: Event>(&self, event: &E) -> OutRecord {
        self.wire.write(event, None).expect("a valid event")
    }

    /// Returns a range request: a new one, or one that was written before, to repeat or to cancel it.
    fn range(&mut self, kafka: &mut Kafka) -> RangeRequest {
        if kafka.rng.chance(35)
            && let Some(earlier) = kafka.rng.pick(&self.ranges).cloned()
        {
            let cancel = kafka.rng.chance(25);
            return RangeRequest { event_id: ids::event_id(), cancel, ..earlier };
        }
        let (symbol, now) = (symbol(kafka), kafka.now.wall_micros);
        let end = now - days(kafka, 2, 100);
        let start = end - days(kafka, 1, 200);
        let layer = Layer::ALL[usize::try_from(kafka.rng.below(4)).unwrap_or(0)];
        let (types, trigger) = ([domain::DataType::MarketData], BackfillTrigger::Manual);
        let range = (Timestamp::from_micros(start), Timestamp::from_micros(end));
        let refetch = kafka.rng.chance(30);
        let request = RangeRequest {
            event_id: ids::event_id(),
            occurred_at: now,
            source: "operator".into(),
            correlation_id: None,
            backfill_id: ids::backfill_id(symbol, layer, &types, range, trigger, refetch),
            attempt: 1,
            symbol: symbol.to_string(),
            layer: layer.number(),
            data_types: types.map(DataKind::from).to_vec(),
            start,
            end,
            priority: priority(kafka),
            trigger,
            refetch,
            cancel: false,
        };
        self.ranges.push(request.clone());
        request
    }
}

fn symbol(kafka: &mut Kafka) -> Symbol {
    let name = kafka.rng.pick(&SYMBOLS).copied().unwrap_or("SPY");
    Symbol::parse(name).expect("a symbol")
}

fn priority(kafka: &mut Kafka) -> i32 {
    1 + i32::try_from(kafka.rng.below(10)).unwrap_or(0)
}

/// Returns a random number of days between these, in microseconds.
fn days(kafka: &mut Kafka, min: i64, max: i64) -> i64 {
    (min + i64::try_from(kafka.rng.below(max.abs_diff(min))).unwrap_or(0)) * DAY_MICROS
}

/// Returns a time within the last seconds.
fn recently(kafka: &mut Kafka) -> i64 {
    kafka.now.wall_micros - i64::try_from(kafka.rng.below(8)).unwrap_or(0) * SECOND_MICROS
}

fn proposal(kafka: &mut Kafka) -> Proposal {
    let to_layer = i32::try_from(kafka.rng.below(2)).unwrap_or(0);
    Proposal {
        event_id: ids::event_id(),
        occurred_at: recently(kafka),
        source: "scanner".into(),
        correlation_id: None,
        symbol: symbol(kafka).to_string(),
        from_layer: (to_layer == 1 && kafka.rng.chance(50)).then_some(0),
        to_layer,
        reason: "liquid".into(),
        metrics: [].into(),
    }
}

fn alert(kafka: &mut Kafka) -> Alert {
    let types =
        ["volume_spike", "momentum", "news_catalyst", "earnings_surprise", "manual", "price_breakout"];
    let name = kafka.rng.pick(&types).copied().unwrap_or("momentum");
    let score = [0.1, 0.5, 0.9, 1.0][usize::try_from(kafka.rng.below(4)).unwrap_or(0)];
    let alert_type = AlertType::from_name(name).unwrap_or(AlertType::Manual);
    let sets = (alert_type == AlertType::Manual)
        .then(|| ("feature_sets".to_owned(), "price_features,returns_features".to_owned()));
    Alert {
        event_id: ids::event_id(),
        occurred_at: recently(kafka),
        source: "scanner".into(),
        correlation_id: None,
        symbol: symbol(kafka).to_string(),
        alert_type,
        score,
        message: String::new(),
        source_scanner: "scanner".into(),
        metadata: sets.into_iter().collect(),
    }
}

/// Returns a gap; one in three is too short to be filled.
fn gap(kafka: &mut Kafka) -> Gap {
    let end = kafka.now.wall_micros - days(kafka, 1, 60);
    let length = if kafka.rng.chance(33) { 3_600 * SECOND_MICROS } else { days(kafka, 1, 40) };
    Gap {
        event_id: ids::event_id(),
        occurred_at: recently(kafka),
        source: "monitor".into(),
        correlation_id: None,
        symbol: symbol(kafka).to_string(),
        data_type: DataKind::MarketData,
        gap_start: end - length,
        gap_end: end,
        priority: priority(kafka),
    }
}

/// Returns a record of an input topic whose payload is no event.
fn invalid(kafka: &mut Kafka) -> OutRecord {
    let topics =
        [Topic::SymbolProposed, Topic::AlertRaised, Topic::GapDetected, RANGES, Topic::BatchRequested];
    let topic = kafka.rng.pick(&topics).copied().unwrap_or(RANGES);
    let partition = i32::try_from(kafka.rng.below(u64::from(PARTITIONS.unsigned_abs()))).unwrap_or(0);
    OutRecord::new(topic, partition, "AAPL", vec![1, 2, 3])
}
