//! Deletions of coverage by tombstones, and the records that would revert them.
//!
//! A record has the whole coverage of its series. If the executor writes one while another producer writes a tombstone, the record may
//! follow the tombstone in the topic although it contains what the tombstone deletes. So each record names the position up to which the
//! executor had read the table (header [`READ_TO`]). A record that follows a tombstone and was written before the tombstone was read is
//! *stale*: it does not count. When compaction has removed the tombstone, a stale record would count again. So the next emission of the
//! partition contains the coverage as it is.

use std::collections::BTreeMap;

use super::series::Series;

/// Header of a coverage record: the position, as decimal text, before which all records of the table were read when it was written.
pub const READ_TO: &str = "tapeline.coverage_read_to";

/// The deleted series of the partitions that are read.
#[derive(Debug, Default)]
pub struct Deletions {
    partitions: BTreeMap<i32, BTreeMap<Series, Deletion>>,
}

#[derive(Debug)]
struct Deletion {
    /// The offset of the last tombstone.
    tombstone: i64,
    /// A stale record follows the tombstone: the coverage has to be written again.
    is_reverted: bool,
}

impl Deletions {
    /// Adds a tombstone of a series. All stale records so far precede it.
    pub fn add(&mut self, partition: i32, series: Series, offset: i64) {
        let deletion = Deletion { tombstone: offset, is_reverted: false };
        self.partitions.entry(partition).or_default().insert(series, deletion);
    }

    /// Returns `true` if a record that was read after the last tombstone is stale, by its header [`READ_TO`]. Records without it, of other
    /// producers, are not.
    pub fn is_stale(&mut self, partition: i32, series: &Series, read_to: Option<&[u8]>) -> bool {
        let Some(deleted) = self.partitions.get_mut(&partition) else { return false };
        let Some(deletion) = deleted.get_mut(series) else { return false };
        let is_stale = read_to.and_then(position).is_some_and(|position| position <= deletion.tombstone);
        if is_stale {
            deletion.is_reverted = true;
        } else {
            // Positions only grow: no later record is stale.
            deleted.remove(series);
        }
        is_stale
    }

    /// Returns the series whose coverage has to be written again, once.
    #[must_use]
    pub fn take_reverted(&mut self, partition: i32) -> Vec<Series> {
        let deleted = self.partitions.get_mut(&partition).into_iter().flatten();
        let reverted = |(series, deletion): (&Series, &mut Deletion)| {
            std::mem::take(&mut deletion.is_reverted).then_some(*series)
        };
        deleted.filter_map(reverted).collect()
    }

    #[must_use]
    pub fn has_any(&self, partition: i32) -> bool {
        self.partitions.get(&partition).is_some_and(|deleted| !deleted.is_empty())
    }

    pub fn remove(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }
}

fn position(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
