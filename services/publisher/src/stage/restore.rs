//! Windows are found again in what was announced: an announcement and the offset of its proposal leave in one transaction, so the
//! announcements say which windows there are. (ADR 043)

use std::time::Duration;

use contracts::{Event, Promotion, Qualification, Topic};
use domain::{Layer, Symbol, Timestamp};
use kafka_io::{InRecord, KafkaStage, Note, OutRecord, Restore, Unavailable};
use pipeline::Now;

use super::AnnouncerStage;
use crate::metric_names as names;
use crate::rules::announce::Announcement;

/// The header of an announcement that opened no window: its occurrence is older than the window that there was.
const OPENS: &str = "tapeline.window";

/// Its value.
const NONE: &[u8] = b"none";

/// Clocks of brokers and of ours don't agree, and a transaction takes its time: read so much further back than a window is kept.
const MARGIN: Duration = Duration::from_secs(60);

/// The topics that are read again, when windows are kept for so long.
pub(super) fn topics(kept: Duration) -> [Restore; 2] {
    [Topic::SymbolQualified, Topic::SymbolPromoted].map(|topic| Restore { topic, back: kept + MARGIN })
}

/// Marks an announcement that opened no window.
pub(super) fn opens_none(output: OutRecord) -> OutRecord {
    output.with_header(OPENS, NONE)
}

impl KafkaStage for AnnouncerStage {
    fn restores(&self) -> &[Restore] {
        &self.restores
    }

    fn restore_record(&mut self, record: &InRecord<'_>, now: Now) -> Result<(), Unavailable> {
        if record.headers.get(OPENS) == Some(NONE) {
            return Ok(());
        }
        let told = match record.topic {
            Topic::SymbolQualified => {
                let event: Option<Qualification> = self.wire.read_table(record)?;
                event.and_then(|event| told(&event, None, event.layer))
            }
            Topic::SymbolPromoted => {
                let event: Option<Promotion> = self.wire.read_table(record)?;
                event.and_then(|event| told(&event, Some(event.from_layer), event.to_layer))
            }
            _ => None,
        };
        let Some((announcement, occurred_at)) = told else {
            self.restore_skipped += 1;
            return Ok(());
        };
        let now = Timestamp::from_micros(now.wall_micros);
        let announced_at = record.appended_at_micros().map_or(now, Timestamp::from_micros);
        self.announcer.restore(record.partition, announcement, occurred_at, (announced_at, now));
        self.restored += 1;
        Ok(())
    }

    fn restore_abandoned(&mut self, partition: i32) {
        self.announcer.released(partition);
    }

    fn notes(&self) -> Vec<Note> {
        vec![
            Note { name: names::DEDUP_WINDOWS.name, value: self.announcer.held() as u64 },
            Note { name: names::DEDUP_WINDOW_EVICTIONS.name, value: self.announcer.forgotten_by_bound() },
            Note { name: names::RESTORE_APPLIED.name, value: self.restored },
            Note { name: names::RESTORE_SKIPPED.name, value: self.restore_skipped },
        ]
    }
}

fn told(event: &impl Event, from: Option<i32>, to: i32) -> Option<(Announcement, Timestamp)> {
    let symbol = Symbol::parse(event.symbol()).ok()?;
    let from = from.map(Layer::from_number).transpose().ok()?;
    let announcement = Announcement::of(symbol, from, Layer::from_number(to).ok()?);
    Some((announcement, Timestamp::from_micros(event.envelope().occurred_at)))
}
