//! The history of one symbol.

use std::collections::BTreeMap;

use backfill::coverage_reader::CoverageReader;
use backfill::rules::timeframes::Timeframes;
use contracts::{BarKey, CoverageChange, CoverageKey, Topic, WriterSchemas};
use domain::{DataType, Interval, IntervalSet, Layer, Symbol, Timeframe, Timestamp};
use kafka_io::{KafkaConfig, OwnedRecord};

use super::decoder::Decoder;
use super::held_bars::HeldBars;
use super::request_log::{LoggedBackfill, REQUEST_TOPICS, RequestLog};
use crate::cluster::EndReader;
use crate::exit::Failure;

/// A data type of a symbol and its timeframe. The timeframe is `None` for data without timeframes.
pub type SeriesKey = (DataType, Option<Timeframe>);

/// The history of one series in the topics.
#[derive(Debug, Clone, Default)]
pub struct SeriesHistory {
    /// `None` if the series has no bars, or no timeframe.
    pub bars: Option<HeldBars>,
    pub covered: IntervalSet,
    /// The ranges of open requests.
    pub pending: IntervalSet,
    /// `true` while an attempt fetches covered ranges again.
    pub is_refetching: bool,
}

/// The history of one symbol in the topics.
#[derive(Debug, Default)]
pub struct SymbolHistory {
    pub series: BTreeMap<SeriesKey, SeriesHistory>,
    /// The requests of the symbol, the newest first.
    pub backfills: Vec<LoggedBackfill>,
    /// The number of records of the symbol without a valid event.
    pub skipped: u64,
}

impl SymbolHistory {
    /// Returns the topics that are read.
    #[must_use]
    pub fn topics() -> Vec<Topic> {
        [&[Topic::CoverageChanged, Topic::BarClosed], &REQUEST_TOPICS[..]].concat()
    }

    /// Reads the partition of the symbol. Blocks.
    ///
    /// # Errors
    /// If the cluster or the registry is unreachable or denies access.
    pub fn read(
        kafka: &KafkaConfig,
        writers: &(dyn WriterSchemas + Sync),
        symbol: Symbol,
        partition: i32,
    ) -> Result<Self, Failure> {
        let mut reader = EndReader::of_partition(kafka, &Self::topics(), partition, "the history")?;
        let mut decoder = Decoder::new(writers);
        let (mut history, mut log) = (Self::default(), RequestLog::default());
        let mut coverage = CoverageReader::default();
        while let Some(records) = reader.next_batch()? {
            for record in records.iter().filter(|record| is_of(record, symbol)) {
                match record.topic {
                    Topic::BarClosed => history.add_bar(record),
                    Topic::CoverageChanged if coverage.is_stale(record) => {}
                    Topic::CoverageChanged => history.add_coverage(record, &mut decoder)?,
                    _ => log.add(record, &mut decoder)?,
                }
            }
        }
        history.skipped += decoder.skipped;
        history.backfills = log.newest_first();
        history.add_pending();
        Ok(history)
    }

    fn add_bar(&mut self, record: &OwnedRecord) {
        let Some(key) = record.key.as_deref().and_then(BarKey::parse) else {
            self.skipped += 1;
            return;
        };
        let series = self.series.entry((DataType::MarketData, Some(key.timeframe))).or_default();
        let bars = series.bars.get_or_insert_with(|| HeldBars::new(key.timeframe));
        bars.set(key.open_time, record.payload.is_some());
    }

    fn add_coverage(&mut self, record: &OwnedRecord, decoder: &mut Decoder<'_>) -> Result<(), Failure> {
        let Some(key) = record.key.as_deref().and_then(CoverageKey::parse) else {
            self.skipped += 1;
            return Ok(());
        };
        let series = self.series.entry((key.data_type, key.timeframe)).or_default();
        if record.payload.is_none() {
            (series.covered, series.is_refetching) = (IntervalSet::new(), false);
            return Ok(());
        }
        let Some(change) = decoder.event::<CoverageChange>(record)? else { return Ok(()) };
        match change.coverage() {
            Ok(covered) => {
                (series.covered, series.is_refetching) = (covered, change.refetching.is_some());
            }
            Err(_) => self.skipped += 1,
        }
        Ok(())
    }

    /// Adds the ranges of open requests to their series, and removes series without anything.
    fn add_pending(&mut self) {
        for backfill in self.backfills.iter().filter(|backfill| backfill.state().is_open()) {
            let Some((range, series)) = requested(backfill) else { continue };
            for key in series {
                self.series.entry(key).or_default().pending.insert(range);
            }
        }
        self.series.retain(|_, series| {
            let has_bars = series.bars.as_ref().is_some_and(|bars| !bars.is_empty());
            has_bars || !series.covered.is_empty() || !series.pending.is_empty()
        });
    }
}

/// Returns the range of a request and its series, by its layer: the executor may serve fewer timeframes.
fn requested(backfill: &LoggedBackfill) -> Option<(Interval, Vec<SeriesKey>)> {
    let request = backfill.request.as_ref()?;
    let layer = Layer::from_number(request.layer).ok()?;
    let timeframes = Timeframes::default();
    let series = |data_type| timeframes.of(layer, data_type).map(move |timeframe| (data_type, timeframe));
    let series = request.data_types.iter().filter_map(|kind| kind.known()).flat_map(series).collect();
    let range =
        Interval::from_inclusive(Timestamp::from_micros(request.start), Timestamp::from_micros(request.end));
    Some((range.ok()?, series))
}

/// Returns `true` if the key of the record is of this symbol: the symbol itself, or the symbol and more after a `|`.
fn is_of(record: &OwnedRecord, symbol: Symbol) -> bool {
    let rest = record.key.as_deref().and_then(|key| key.strip_prefix(symbol.as_str().as_bytes()));
    rest.is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'|'))
}
