//! Oracle: compares the output log with the input log, without any knowledge of the engine.

use std::collections::BTreeMap;
use std::ops::Range;

use pipeline::{Delivery, InputPartition, Start};

use crate::log::Partition;
use crate::output::{Kind, Output};
use crate::rules::{Plan, Record};

/// A violated law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) law: &'static str,
    pub(crate) what: String,
}

pub(crate) fn broken<T>(law: &'static str, what: String) -> Result<T, Broken> {
    Err(Broken { law, what })
}

/// The state of the output log.
#[derive(Debug, Clone)]
pub(crate) struct Oracle {
    mode: Delivery,
    in_order: bool,
    records: BTreeMap<u64, Record>,
    visible: BTreeMap<(u64, Kind, u8), u32>,
    last_of_key: BTreeMap<u64, u64>,
    /// Visible originated outputs.
    originated: BTreeMap<InputPartition, u64>,
    /// The last visible state.
    state: BTreeMap<InputPartition, u64>,
}

impl Oracle {
    pub(crate) fn new(mode: Delivery, in_order: bool) -> Self {
        Self {
            mode,
            in_order,
            records: BTreeMap::new(),
            visible: BTreeMap::new(),
            last_of_key: BTreeMap::new(),
            originated: BTreeMap::new(),
            state: BTreeMap::new(),
        }
    }

    pub(crate) fn expect(&mut self, record: Record) {
        self.records.insert(record.id, record);
    }

    /// Checks an output that became visible to readers of committed records.
    pub(crate) fn see(&mut self, output: &Output) -> Result<(), Broken> {
        for id in &output.of {
            self.see_one(*id, output)?;
        }
        match output.state {
            Some(state) => self.see_state(output, state),
            None => Ok(()),
        }
    }

    /// Returns the number of originated outputs that the last visible state contains: the state to restore.
    pub(crate) fn originated(&self, input: InputPartition) -> u64 {
        self.state.get(&input).copied().unwrap_or(0)
    }

    /// Checks that originated outputs become visible once and in order, and that no state contains one that is not visible.
    fn see_state(&mut self, output: &Output, state: u64) -> Result<(), Broken> {
        let Output { input, kind, part, .. } = *output;
        self.state.insert(input, state);
        if self.mode == Delivery::AtLeastOnce {
            return Ok(());
        }
        let visible = self.originated.entry(input).or_default();
        if kind == Kind::Originated {
            if u64::from(part) < *visible {
                return broken("doubled", format!("{input:?}: originated output {part} is visible again"));
            }
            *visible += 1;
        }
        if state > *visible {
            let what = format!("{input:?}: state {state} is visible after {visible} originated outputs");
            return broken("lost", what);
        }
        if state < *visible {
            let what = format!("{input:?}: state {state} is visible after {visible} originated outputs");
            return broken("doubled", what);
        }
        Ok(())
    }

    fn see_one(&mut self, id: u64, output: &Output) -> Result<(), Broken> {
        let Some(record) = self.records.get(&id).copied() else {
            return broken("lost", format!("an output names record {id}, which does not exist"));
        };
        let Output { kind, part, .. } = *output;
        let processed_ids = self.visible.entry((id, kind, part)).or_default();
        *processed_ids += 1;
        let (first, times) = (*processed_ids == 1, *processed_ids);
        if self.mode == Delivery::AtLeastOnce {
            return Ok(());
        }
        // An unresolved record is processed again after a rebalance, and with it its chunks.
        if times > 1 && kind != Kind::Chunk {
            return broken("doubled", format!("record {id}: {kind:?} {part} is visible {times} times"));
        }
        if kind == Kind::Chunk && self.shows(&record) {
            return broken("doubled", format!("record {id}: chunk {part} is visible after its end"));
        }
        if !first || kind != Kind::Result {
            return Ok(());
        }
        if part > 0 && !self.visible.contains_key(&(id, kind, part - 1)) {
            return broken("P8", format!("record {id}: part {part} is visible before part {}", part - 1));
        }
        let ordered = self.in_order || matches!(record.plan, Plan::Emit(_) | Plan::Collect);
        if part == 0 && ordered {
            let last = self.last_of_key.insert(record.key, id).unwrap_or(0);
            if last > id {
                return broken(
                    "P8",
                    format!("key {}: record {id} is visible after record {last}", record.key),
                );
            }
        }
        Ok(())
    }

    /// Checks P2: a committed position and its completed ranges cover only records that are resolved.
    pub(crate) fn passed(
        &self,
        input: InputPartition,
        partition: &Partition,
        range: Range<i64>,
    ) -> Result<(), Broken> {
        for (offset, record) in partition.from(range.start).iter().take_while(|(o, _)| *o < range.end) {
            if !self.is_done(record) {
                let what = format!(
                    "{input:?} is committed over {range:?}, record {} at {offset} is not done",
                    record.id
                );
                return broken("P2", what);
            }
        }
        Ok(())
    }

    /// Checks the start of an assignment. In transactional mode it must cover all visible outputs.
    pub(crate) fn granted(&self, start: &Start, partition: &Partition) -> Result<(), Broken> {
        if self.mode == Delivery::AtLeastOnce {
            return Ok(());
        }
        for (offset, record) in partition.from(start.position) {
            if self.shows(record) && !start.completed.contains(*offset) {
                let what = format!("{start:?}: record {} at {offset} is visible already", record.id);
                return broken("doubled", what);
            }
        }
        Ok(())
    }

    /// Checks that every output is visible at the end.
    pub(crate) fn finish(&self) -> Result<(), Broken> {
        match self.records.values().find(|record| !self.is_done(record)) {
            Some(record) => broken("lost", format!("the run ended and record {record:?} is not resolved")),
            None => Ok(()),
        }
    }

    fn is_done(&self, record: &Record) -> bool {
        let chunks = if let Plan::WorkChunks(all) = record.plan { all } else { 0 };
        (0..chunks).all(|part| self.visible.contains_key(&(record.id, Kind::Chunk, part)))
            && self.needs(record).iter().all(|part| self.visible.contains_key(part))
    }

    /// Returns `true` if readers see the outputs that resolve this record.
    fn shows(&self, record: &Record) -> bool {
        self.needs(record).iter().any(|part| self.visible.contains_key(part))
    }

    /// Returns the outputs that resolve a record.
    fn needs(&self, record: &Record) -> Vec<(u64, Kind, u8)> {
        let (kind, parts) = match record.plan {
            Plan::Drop | Plan::WorkDrop => (Kind::Result, 0),
            Plan::Emit(parts) | Plan::Work(parts) => (Kind::Result, parts),
            Plan::Collect | Plan::WorkChunks(_) => (Kind::Result, 1),
            Plan::Reject | Plan::WorkReject => (Kind::DeadLetter, 1),
        };
        (0..parts).map(|part| (record.id, kind, part)).collect()
    }
}
