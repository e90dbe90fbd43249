//! Line numbers of byte offsets. A line ends with LF, CR, or CR and LF.

/// A position in a text that moves forward, and the number of its line.
///
/// The CSV reader's own line numbers count LF alone, and are those of the end of the previous row.
pub(super) struct LineCounter<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl<'t> LineCounter<'t> {
    pub(super) const fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// Returns the number of the line of the first character at or after `offset` that is not a line end. Offsets must not decrease.
    pub(super) fn line_at(&mut self, offset: usize) -> u64 {
        while let Some(&byte) = self.text.get(self.at) {
            let is_end = byte == b'\n' || byte == b'\r';
            if self.at >= offset && !is_end {
                break;
            }
            let is_within_end = byte == b'\r' && self.text.get(self.at + 1) == Some(&b'\n');
            self.line += u64::from(is_end && !is_within_end);
            self.at += 1;
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::LineCounter;

    #[test]
    fn every_line_end_counts_once() {
        for (text, offset, line) in [
            ("a\nb\nc", 4, 3),
            ("a\r\nb\r\nc", 6, 3),
            ("a\r\nb\r\nc", 5, 3),
            ("a\rb\rc", 4, 3),
            ("a\n\n\r\n\rb", 1, 5),
            ("a\n\n", 1, 3),
            ("a", 0, 1),
        ] {
            assert_eq!(LineCounter::new(text.as_bytes()).line_at(offset), line, "{text:?} at {offset}");
        }
    }

    #[test]
    fn later_offsets_continue_from_earlier_ones() {
        let mut lines = LineCounter::new(b"a\r\n\"b\r\nc\"\r\nd\r\n");
        assert_eq!([lines.line_at(0), lines.line_at(3), lines.line_at(11)], [1, 2, 4]);
    }
}
