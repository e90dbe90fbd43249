//! A range of a bar file as of a time, and its content.

use domain::{Bar, Interval, Timestamp};

/// A range of a file at a time.
#[derive(Debug, Clone, Copy)]
pub(in crate::sources) struct Excerpt {
    pub(in crate::sources) range: Interval,
    /// Bars that have not closed by then do not count.
    pub(in crate::sources) now: Timestamp,
}

/// The valid bars of a range.
pub(in crate::sources) struct RangeOfFile {
    pub(in crate::sources) bars: Vec<Bar>,
    /// The open time of the last valid bar that has closed, within the range or not; an earlier one if rows follow it that go back in time.
    pub(in crate::sources) last_open: Timestamp,
}
