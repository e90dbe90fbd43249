//! The notes of refetches: which attempt has taken its range out of the coverage of a series ([`super::refetching`]).

use std::collections::BTreeMap;

use crate::rules::attempts::Attempt;
use crate::rules::series::Series;

/// The attempts that took their range out of the coverage of a series and have not ended.
#[derive(Debug, Default)]
pub(super) struct RefetchNotes {
    partitions: BTreeMap<i32, BTreeMap<Series, Attempt>>,
}

impl RefetchNotes {
    /// Replaces the note of a series.
    pub(super) fn set(&mut self, partition: i32, series: Series, attempt: Option<Attempt>) {
        match attempt {
            Some(attempt) => {
                self.partitions.entry(partition).or_default().insert(series, attempt);
            }
            None => {
                if let Some(noted) = self.partitions.get_mut(&partition) {
                    noted.remove(&series);
                }
            }
        }
    }

    /// Returns the note of a series.
    pub(super) fn of(&self, partition: i32, series: &Series) -> Option<Attempt> {
        self.partitions.get(&partition)?.get(series).copied()
    }

    /// Removes the notes of a backfill, and returns their series.
    pub(super) fn end(&mut self, partition: i32, backfill_id: u128) -> Vec<Series> {
        let noted = self.partitions.get_mut(&partition);
        let ended = noted.map(|noted| noted.extract_if(.., |_, attempt| attempt.backfill_id == backfill_id));
        ended.into_iter().flatten().map(|(series, _)| series).collect()
    }

    pub(super) fn remove(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }
}
