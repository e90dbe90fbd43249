//! What of a input is completed beyond its prefix, in a form that fits beside a committed offset.
//!
//! Bytes: one byte of version, then for each range two LEB128 numbers: the gap since the end of the range before it (the first: since
//! the position), and its length. Most gaps and lengths are below 128, so a range mostly takes two bytes.

use std::ops::Range;

/// The form of the bytes.
const VERSION: u8 = 1;

/// Most bytes that a input's ranges take. 2,304 are 3 KiB of base64; the broker's limit on commit metadata is 4,096 bytes
/// (`offset.metadata.max.bytes`), above which it refuses the commit each time.
pub const COMPLETED_RANGES_MAX_BYTES: usize = 2_304;

/// Offsets of one input that need no work any more although one before them does: sorted, disjoint, never touching.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompletedRanges {
    ranges: Vec<Range<i64>>,
}

/// Bytes that are no list of ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidCompletedRanges;

impl CompletedRanges {
    /// Nothing beyond the prefix.
    #[must_use]
    pub const fn none() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range<i64>> + '_ {
        self.ranges.iter().cloned()
    }

    /// Whether this offset is among them.
    #[must_use]
    pub fn contains(&self, offset: i64) -> bool {
        let after = self.ranges.partition_point(|range| range.end <= offset);
        self.ranges.get(after).is_some_and(|range| range.start <= offset)
    }

    /// Appends a range that begins at or behind the end of the last one; an empty one changes nothing.
    pub fn push(&mut self, range: Range<i64>) {
        if range.is_empty() {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => self.ranges.push(range),
        }
    }

    /// As bytes beside `position`, at most [`COMPLETED_RANGES_MAX_BYTES`]: what doesn't fit is left out from its end. Nothing gives no bytes.
    #[must_use]
    pub fn to_bytes(&self, position: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut before = position;
        for range in &self.ranges {
            let kept = bytes.len();
            if bytes.is_empty() {
                bytes.push(VERSION);
            }
            put(&mut bytes, distance(before, range.start));
            put(&mut bytes, distance(range.start, range.end));
            if bytes.len() > COMPLETED_RANGES_MAX_BYTES {
                bytes.truncate(kept);
                break;
            }
            before = range.end;
        }
        bytes
    }

    /// How many bytes all of it would take.
    pub(crate) fn len_bytes(&self, position: i64) -> usize {
        let mut before = position;
        let of_ranges = self.ranges.iter().map(|range| {
            let gap = distance(before, range.start);
            before = range.end;
            len(gap) + len(distance(range.start, range.end))
        });
        usize::from(!self.is_empty()) + of_ranges.sum::<usize>()
    }

    /// What [`CompletedRanges::to_bytes`] wrote beside `position`. No bytes say that there is nothing.
    ///
    /// # Errors
    /// When somebody else wrote them.
    pub fn from_bytes(position: i64, bytes: &[u8]) -> Result<Self, InvalidCompletedRanges> {
        let Some((version, mut rest)) = bytes.split_first() else { return Ok(Self::none()) };
        if *version != VERSION {
            return Err(InvalidCompletedRanges);
        }
        let mut completed = Self::none();
        let mut before = position;
        while !rest.is_empty() {
            let start = before.checked_add(take(&mut rest)?).ok_or(InvalidCompletedRanges)?;
            let end = start.checked_add(take(&mut rest)?).ok_or(InvalidCompletedRanges)?;
            completed.push(start..end);
            before = end;
        }
        Ok(completed)
    }
}

fn distance(from: i64, to: i64) -> u64 {
    u64::try_from(to - from).unwrap_or(0)
}

fn len(value: u64) -> usize {
    let bits = u64::BITS - value.leading_zeros();
    usize::try_from(bits.div_ceil(7).max(1)).unwrap_or(usize::MAX)
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

fn take(bytes: &mut &[u8]) -> Result<i64, InvalidCompletedRanges> {
    let mut value: u64 = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(InvalidCompletedRanges)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return i64::try_from(value).map_err(|_| InvalidCompletedRanges);
        }
    }
    Err(InvalidCompletedRanges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ranges: &[Range<i64>]) -> CompletedRanges {
        let mut completed = CompletedRanges::none();
        for range in ranges {
            completed.push(range.clone());
        }
        completed
    }

    #[test]
    fn what_was_written_is_read() {
        for ranges in [vec![], vec![6..9, 11..12, 1_000_000..9_000_000_000]] {
            let completed = of(&ranges);
            assert_eq!(completed.len_bytes(5), completed.to_bytes(5).len());
            assert_eq!(CompletedRanges::from_bytes(5, &completed.to_bytes(5)), Ok(completed));
        }
        assert_eq!(of(&[7..8, 10..300]).to_bytes(5), [1, 2, 1, 2, 0xa2, 2]);
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_end() {
        let completed = of(&(0..5_000).map(|n| 3 * n..3 * n + 1).collect::<Vec<_>>());
        let bytes = completed.to_bytes(0);
        assert!(bytes.len() <= COMPLETED_RANGES_MAX_BYTES);
        let read = CompletedRanges::from_bytes(0, &bytes).unwrap();
        assert!(read.ranges().len() > 1_000);
        assert!(read.ranges().zip(completed.ranges()).all(|(read, written)| read == written));
    }

    #[test]
    fn foreign_bytes_are_refused() {
        for bytes in [
            &[2, 1, 1][..],
            &[1, 1],
            &[1, 0x80],
            &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1],
        ] {
            assert_eq!(CompletedRanges::from_bytes(5, bytes), Err(InvalidCompletedRanges), "{bytes:?}");
        }
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let completed = of(&[1..2, 2..4, 4..4, 6..7]);
        assert_eq!(completed.ranges().collect::<Vec<_>>(), [1..4, 6..7]);
        assert!(completed.contains(3) && completed.contains(6));
        assert!(!completed.contains(0) && !completed.contains(4) && !completed.contains(7));
    }
}
