//! Co-partitioned table of corporate actions: the splits of the symbols whose requests are in the same partitions.

use contracts::{CorporateAction, Topic};
use domain::Symbol;
use domain::calendar::Date;
use jiff::ToSpan;
use kafka_io::{InRecord, TableRecord, Unavailable, Wire};

use crate::rules::{Split, Splits};

/// The topic of the tables of corporate actions.
pub(super) const ACTION_TOPIC: Topic = Topic::CorporateActionAnnounced;

/// The kind of a split. Other kinds change no price per share that a bar has.
const SPLIT: &str = "split";

/// The content of a record of corporate actions.
pub(super) enum ParsedAction {
    Split(Symbol, Split),
    Other,
    Invalid,
}

/// Returns the content of a record. A tombstone is invalid: the topic is not compacted, and a split is withdrawn by the ratio 1.
pub(super) fn parse_action(wire: &Wire, record: &InRecord<'_>) -> Result<ParsedAction, Unavailable> {
    let Some(action) = wire.read_table::<CorporateAction>(record)? else { return Ok(ParsedAction::Invalid) };
    if action.kind != SPLIT {
        return Ok(ParsedAction::Other);
    }
    let ex_date = Date::constant(1970, 1, 1).checked_add(action.ex_date.days());
    Ok(match (Symbol::parse(&action.symbol), ex_date, action.ratio) {
        (Ok(symbol), Ok(ex_date), Some(ratio)) => ParsedAction::Split(symbol, Split::on(ex_date, ratio)),
        _ => ParsedAction::Invalid,
    })
}

/// The splits of all partitions of the table.
pub(super) struct ActionTable {
    splits: Splits,
    skipped: u64,
}

impl ActionTable {
    pub(super) fn new(splits_max: usize) -> Self {
        Self { splits: Splits::new(splits_max), skipped: 0 }
    }

    /// Stores a split, ignores an action of another kind, or skips and counts an invalid record.
    pub(super) fn apply(&mut self, wire: &Wire, record: &InRecord<'_>) -> Result<TableRecord, Unavailable> {
        match parse_action(wire, record)? {
            ParsedAction::Split(symbol, split) => self.splits.insert(symbol, split),
            ParsedAction::Other => {}
            ParsedAction::Invalid => {
                self.skipped += 1;
                return Ok(TableRecord::Skipped);
            }
        }
        Ok(TableRecord::Taken)
    }

    pub(super) const fn splits(&self) -> &Splits {
        &self.splits
    }

    pub(super) fn release(&mut self, wire: &Wire, partition: i32) {
        self.splits.remove(|symbol| wire.partition_of(symbol.as_str()) == partition);
    }

    /// Returns the number of invalid records.
    pub(super) const fn skipped(&self) -> u64 {
        self.skipped
    }
}
