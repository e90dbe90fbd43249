//! Knows what should come out, and nothing of how: it compares what readers of the output log see with the input log.

use std::collections::BTreeMap;
use std::ops::Range;

use pipeline::{Delivery, InputPartition, Start};

use crate::log::Partition;
use crate::rules::{Fate, Kind, Output, Record};

/// A law that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) law: &'static str,
    pub(crate) what: String,
}

pub(crate) fn broken<T>(law: &'static str, what: String) -> Result<T, Broken> {
    Err(Broken { law, what })
}

/// What the output log shows so far.
#[derive(Debug, Clone)]
pub(crate) struct Oracle {
    mode: Delivery,
    in_order: bool,
    records: BTreeMap<u64, Record>,
    visible: BTreeMap<(u64, Kind, u8), u32>,
    last_of_key: BTreeMap<u64, u64>,
}

impl Oracle {
    pub(crate) fn new(mode: Delivery, in_order: bool) -> Self {
        Self {
            mode,
            in_order,
            records: BTreeMap::new(),
            visible: BTreeMap::new(),
            last_of_key: BTreeMap::new(),
        }
    }

    pub(crate) fn expect(&mut self, record: Record) {
        self.records.insert(record.id, record);
    }

    /// An output that readers of committed records see from now on.
    pub(crate) fn see(&mut self, output: &Output) -> Result<(), Broken> {
        for id in &output.of {
            self.see_one(*id, output)?;
        }
        Ok(())
    }

    fn see_one(&mut self, id: u64, output: &Output) -> Result<(), Broken> {
        let Some(record) = self.records.get(&id).copied() else {
            return broken("lost", format!("an output names record {id}, which doesn't exist"));
        };
        let Output { kind, part, .. } = *output;
        let seen = self.visible.entry((id, kind, part)).or_default();
        *seen += 1;
        let (first, times) = (*seen == 1, *seen);
        if self.mode == Delivery::AtLeastOnce {
            return Ok(());
        }
        // Work on a record that hasn't ended begins anew elsewhere, and its chunks with it.
        if times > 1 && kind != Kind::Chunk {
            return broken("doubled", format!("record {id}: {kind:?} {part} is visible {times} times"));
        }
        if kind == Kind::Chunk && self.shows(&record) {
            return broken("doubled", format!("record {id}: chunk {part} shows after its end"));
        }
        if !first || kind != Kind::Result {
            return Ok(());
        }
        if part > 0 && !self.visible.contains_key(&(id, kind, part - 1)) {
            return broken("P8", format!("record {id}: part {part} shows before part {}", part - 1));
        }
        let ordered = self.in_order || matches!(record.fate, Fate::Emit(_) | Fate::Collect);
        if part == 0 && ordered {
            let last = self.last_of_key.insert(record.key, id).unwrap_or(0);
            if last > id {
                return broken("P8", format!("key {}: record {id} shows after record {last}", record.key));
            }
        }
        Ok(())
    }

    /// P2: a committed position passes only what needs nothing or shows, and so does what is said to be completed beyond it.
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

    /// A partition begins anew. Exactly once, its owner is told of all that shows already.
    pub(crate) fn granted(&self, start: &Start, partition: &Partition) -> Result<(), Broken> {
        if self.mode == Delivery::AtLeastOnce {
            return Ok(());
        }
        for (offset, record) in partition.from(start.position) {
            if self.shows(record) && !start.completed.contains(*offset) {
                let what = format!("{start:?}: record {} at {offset} shows already", record.id);
                return broken("doubled", what);
            }
        }
        Ok(())
    }

    /// At the end, everything shows.
    pub(crate) fn finish(&self) -> Result<(), Broken> {
        match self.records.values().find(|record| !self.is_done(record)) {
            Some(record) => {
                broken("lost", format!("nothing more happens, and record {record:?} is not done"))
            }
            None => Ok(()),
        }
    }

    fn is_done(&self, record: &Record) -> bool {
        let chunks = if let Fate::WorkChunks(all) = record.fate { all } else { 0 };
        (0..chunks).all(|part| self.visible.contains_key(&(record.id, Kind::Chunk, part)))
            && self.needs(record).iter().all(|part| self.visible.contains_key(part))
    }

    /// Whether readers see how this record ended.
    fn shows(&self, record: &Record) -> bool {
        self.needs(record).iter().any(|part| self.visible.contains_key(part))
    }

    /// The outputs that end a record.
    fn needs(&self, record: &Record) -> Vec<(u64, Kind, u8)> {
        let (kind, parts) = match record.fate {
            Fate::Drop | Fate::WorkDrop => (Kind::Result, 0),
            Fate::Emit(parts) | Fate::Work(parts) => (Kind::Result, parts),
            Fate::Collect | Fate::WorkChunks(_) => (Kind::Result, 1),
            Fate::Reject | Fate::WorkReject => (Kind::DeadLetter, 1),
        };
        (0..parts).map(|part| (record.id, kind, part)).collect()
    }
}
