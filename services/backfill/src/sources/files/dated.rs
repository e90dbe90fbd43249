//! Series with a file per date in New York.
//!
//! The files of a series are found by the names in their folder. A date without a file has no records if it is before the first file, or
//! if the calendar expects none; a session between the first and the newest file whose bars have no file is unknown. What follows the last
//! row of the newest file is after the horizon. A bad file costs its date.

use std::collections::BTreeSet;
use std::path::Path;

use domain::calendar::{Date, date_of, day_open, is_session};
use domain::{Interval, Timestamp};
use kit::ErrorChain;

use super::storage::OpenStorage;
use super::{Files, NoFile};
use crate::rules::series::Series;
use crate::sources::csv_file::{CsvError, Format, Layout, RangeOfFile};
use crate::sources::source::{Defects, Part, Rejected, SourceError};

/// The maximum number of files that an error names.
const LISTED_FILES_MAX: usize = 20;

/// The parts of the dates of a range.
struct Dates<R> {
    records: Vec<R>,
    defects: Defects,
    horizon: Timestamp,
}

impl Files {
    pub(super) fn read_dates<F: Format>(
        &self,
        storage: OpenStorage<'_>,
        mut layout: Layout<'_, F>,
        series: Series,
        range: Interval,
    ) -> Result<Part<Vec<F::Record>>, SourceError> {
        let dates = self.dates(storage, series, range)?;
        let (Some(first), Some(newest)) = (dates.first().copied(), dates.last().copied()) else {
            let path = storage.path(&self.pattern.path(series, Some(date_of(range.start()))));
            let is_there = storage.is_there().map_err(|error| self.error_of(error))?;
            return Err(if self.pattern.has_symbol() && is_there {
                SourceError::unknown_symbol(self.name, series.symbol, NoFile { path })
            } else {
                SourceError::transient(self.name, NoFile { path })
            });
        };
        // Before the newest file, each date is known or rejected.
        let horizon = range.end().min(day_end(newest));
        let mut parts = Dates { records: Vec::new(), defects: Defects::default(), horizon };
        let in_range = std::iter::successors(Some(date_of(range.start())), |date| date.tomorrow().ok());
        for date in in_range.take_while(|date| day_open(*date) < range.end() && *date <= newest) {
            let Some(part) =
                Interval::new(day_open(date), day_end(date)).ok().and_then(|it| it.intersection(range))
            else {
                continue;
            };
            let below = self.pattern.path(series, Some(date));
            let path = storage.path(&below);
            if !dates.contains(&date) {
                if date > first && series.timeframe.is_some() && is_session(date) {
                    let cause = "no file of this date, which is between the first and the newest file";
                    parts.reject_file(&path, part, cause.to_owned());
                }
                continue;
            }
            layout.date = Some(date);
            match self.records(storage, &below, &layout, part) {
                Ok(file) => parts.add(&path, file, date == newest),
                // A file with a header alone.
                Err(CsvError::NoRecords { .. }) if date < newest => {}
                Err(error) if error.is_temporary() || matches!(error, CsvError::Unserved { .. }) => {
                    // A file that was listed and is gone: the symbol may have bars.
                    return Err(self.error_of(error));
                }
                Err(error) if date == newest => {
                    parts.horizon = part.start();
                    if !matches!(error, CsvError::NoRecords { .. }) {
                        parts.reject_file(&path, part, without_path(&error, &path));
                    }
                }
                Err(error) => parts.reject_file(&path, part, without_path(&error, &path)),
            }
        }
        let Dates { records, defects, horizon } = parts;
        Ok(Part { defects, ..Part::up_to(horizon, records) })
    }

    /// Returns the first and the newest date of which the series has a file, and those of the range.
    fn dates(
        &self,
        storage: OpenStorage<'_>,
        series: Series,
        range: Interval,
    ) -> Result<BTreeSet<Date>, SourceError> {
        let Some((folder, prefix, suffix)) = self.pattern.dated_names(series) else {
            return Ok(BTreeSet::new());
        };
        let date_of_name = |name: &str| name.strip_prefix(&prefix)?.strip_suffix(&suffix).and_then(date_in);
        let names = storage.names(&folder, &prefix, |name| date_of_name(name).is_some());
        let names = names.map_err(|error| self.error_of(error))?;
        let named: BTreeSet<Date> = names.iter().filter_map(|name| date_of_name(name)).collect();
        let files: Vec<_> =
            named.into_iter().map(|date| (date, self.pattern.path(series, Some(date)))).collect();
        let (first, last) = (date_of(range.start()), date_of(range.last()));
        let is_named = !self.pattern.has_dated_folders();
        let present = storage.present(&files, is_named, |date| (first..=last).contains(&date));
        Ok(present.map_err(|error| self.error_of(error))?.into_iter().collect())
    }
}

/// Returns the date of a name that has no other text.
fn date_in(text: &str) -> Option<Date> {
    text.parse().ok().filter(|_| text.len() == "2024-06-28".len())
}

impl<R> Dates<R> {
    fn add(&mut self, path: &Path, file: RangeOfFile<R>, is_newest: bool) {
        let defects = file.defects(path);
        if is_newest {
            self.horizon = file.last.saturating_add_micros(1);
        }
        self.records.extend(file.records);
        self.defects.rows.extend(defects.rows);
        self.defects.rejected += defects.rejected;
        self.defects.unknown.union(&defects.unknown);
        self.defects.duplicates.extend(defects.duplicates);
    }

    /// Records that a file has no readable content of this part of its date.
    fn reject_file(&mut self, path: &Path, part: Interval, cause: String) {
        self.defects.files += 1;
        self.defects.unknown.insert(part);
        if self.defects.rows.iter().filter(|row| row.line.is_none()).count() < LISTED_FILES_MAX {
            self.defects.rows.push(Rejected { file: path.display().to_string(), line: None, cause });
        }
    }
}

/// Returns the text of an error, which begins with the path, without it.
fn without_path(error: &CsvError, path: &Path) -> String {
    let text = ErrorChain(error).to_string();
    let after = text.strip_prefix(&path.display().to_string()).unwrap_or(&text);
    after.trim_start_matches(':').trim_start().to_owned()
}

fn day_end(date: Date) -> Timestamp {
    day_open(date.tomorrow().unwrap_or(date))
}
