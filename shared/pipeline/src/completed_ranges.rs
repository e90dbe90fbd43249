//! Completed ranges: resolved offsets beyond the committed one, and their encoding for the commit metadata.
//!
//! Encoding: one byte of version, then two LEB128 numbers for each range: the gap since the end of the previous range (the first:
//! since the position), and its length. Most gaps and lengths are below 128, so a range mostly takes two bytes.

use std::ops::Range;

use kit::SaturatingFrom;

/// Version of the encoding.
const VERSION: u8 = 1;

/// Longest encoding, in bytes. 2,304 are 3 KiB of base64. The broker rejects a commit with more than 4,096 bytes of metadata
/// (`offset.metadata.max.bytes`).
pub const COMPLETED_RANGES_MAX_BYTES: usize = 2_304;

/// Resolved offsets of one partition beyond its prefix: sorted, disjoint, never adjacent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompletedRanges {
    ranges: Vec<Range<i64>>,
}

/// The bytes are not an encoding of completed ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidCompletedRanges;

impl CompletedRanges {
    /// Creates an empty set.
    #[must_use]
    pub const fn none() -> Self {
        Self { ranges: Vec::new() }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns the ranges, in order.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range<i64>> + '_ {
        self.ranges.iter().cloned()
    }

    #[must_use]
    pub fn contains(&self, offset: i64) -> bool {
        let after = self.ranges.partition_point(|range| range.end <= offset);
        self.ranges.get(after).is_some_and(|range| range.start <= offset)
    }

    /// Appends a range that begins at or after the end of the last one. An empty range changes nothing.
    pub fn push(&mut self, range: Range<i64>) {
        if range.is_empty() {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => self.ranges.push(range),
        }
    }

    /// Encodes the ranges relative to `position`, in at most [`COMPLETED_RANGES_MAX_BYTES`]; the last ranges that do not fit are
    /// omitted. No ranges give no bytes.
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

    /// Returns the length of the encoding of all ranges.
    pub(crate) fn len_bytes(&self, position: i64) -> usize {
        let mut before = position;
        let of_ranges = self.ranges.iter().map(|range| {
            let gap = distance(before, range.start);
            before = range.end;
            len(gap) + len(distance(range.start, range.end))
        });
        usize::from(!self.is_empty()) + of_ranges.sum::<usize>()
    }

    /// Decodes what [`CompletedRanges::to_bytes`] encoded relative to `position`. No bytes give no ranges.
    ///
    /// # Errors
    /// [`InvalidCompletedRanges`] if the version or the encoding is unknown.
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
    usize::saturating_from(bits.div_ceil(7).max(1))
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
    fn encoded_ranges_are_decoded() {
        for ranges in [vec![], vec![6..9, 11..12, 1_000_000..9_000_000_000]] {
            let completed = of(&ranges);
            assert_eq!(completed.len_bytes(5), completed.to_bytes(5).len());
            assert_eq!(CompletedRanges::from_bytes(5, &completed.to_bytes(5)), Ok(completed));
        }
        assert_eq!(of(&[7..8, 10..300]).to_bytes(5), [1, 2, 1, 2, 0xa2, 2]);
    }

    #[test]
    fn ranges_that_do_not_fit_are_omitted_from_the_end() {
        let completed = of(&(0..5_000).map(|n| 3 * n..3 * n + 1).collect::<Vec<_>>());
        let bytes = completed.to_bytes(0);
        assert!(bytes.len() <= COMPLETED_RANGES_MAX_BYTES);
        let read = CompletedRanges::from_bytes(0, &bytes).unwrap();
        assert!(read.ranges().len() > 1_000);
        assert!(read.ranges().zip(completed.ranges()).all(|(read, written)| read == written));
    }

    #[test]
    fn unknown_encoding_is_rejected() {
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
    fn adjacent_ranges_are_merged() {
        let completed = of(&[1..2, 2..4, 4..4, 6..7]);
        assert_eq!(completed.ranges().collect::<Vec<_>>(), [1..4, 6..7]);
        assert!(completed.contains(3) && completed.contains(6));
        assert!(!completed.contains(0) && !completed.contains(4) && !completed.contains(7));
    }
}
