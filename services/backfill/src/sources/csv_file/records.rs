//! Records of a CSV text. A record needs no more memory than the text, whatever it contains: an unclosed quote makes the rest of the
//! file one field, and each comma is a field.

use csv_core::{ReadRecordResult, Reader};

use super::error::RowError;
use super::lines::LineCounter;

/// The maximum number of fields that are stored of a record. The others are counted.
const FIELDS_MAX: usize = 4_096;

/// The records that remain.
pub(super) struct Records<'t> {
    text: &'t [u8],
    at: usize,
    reader: Reader,
    /// The unquoted fields of the record, without separators: never longer than the text and a line end. One byte more, so that it is
    /// never full.
    fields: Vec<u8>,
    /// The end of each stored field.
    ends: Vec<usize>,
}

/// One record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'r> {
    /// A position before its first character, and after the end of the previous record.
    pub(super) offset: usize,
    /// The number of its fields.
    pub(super) len: usize,
    /// `true` if the text ends within a quoted field.
    is_unclosed: bool,
    /// `true` if the record is read from text, where a line break in a field hides the rows after it.
    is_text: bool,
    content: &'r [u8],
    ends: &'r [usize],
}

// === impl Records ===

impl<'t> Records<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        let (fields, ends) = (vec![0; text.len() + 2], vec![0; FIELDS_MAX]);
        Self { text, at: 0, reader: Reader::new(), fields, ends }
    }

    /// Returns the next record. Lines without any character are skipped.
    pub(super) fn next(&mut self) -> Option<Record<'_>> {
        let (offset, mut written, mut len) = (self.at, 0, 0);
        let mut unstored = [0; 64];
        let mut is_unclosed = false;
        loop {
            // A line end after the text ends its last record, unless that is within quotes.
            let input = match &self.text[self.at..] {
                [] if !is_unclosed => b"\n",
                rest => rest,
            };
            let ends = match self.ends.get_mut(len..) {
                Some(free) if !free.is_empty() => free,
                _ => &mut unstored[..],
            };
            let (result, read, wrote, ended) =
                self.reader.read_record(input, &mut self.fields[written..], ends);
            is_unclosed = self.at == self.text.len() && (is_unclosed || result != ReadRecordResult::Record);
            self.at = self.text.len().min(self.at + read);
            written += wrote;
            len += ended;
            match result {
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputEndsFull => {}
                ReadRecordResult::Record => {
                    let (content, ends) = (&self.fields[..written], &self.ends[..len.min(FIELDS_MAX)]);
                    return Some(Record { offset, len, is_unclosed, is_text: true, content, ends });
                }
                // The output is never full.
                ReadRecordResult::OutputFull | ReadRecordResult::End => return None,
            }
        }
    }
}

// === impl Record ===

impl<'r> Record<'r> {
    /// Returns the record of fields that were not read from text: the content of all, and the end of each.
    #[cfg(feature = "parquet")]
    pub(super) const fn of_fields(content: &'r [u8], ends: &'r [usize]) -> Self {
        Self { offset: 0, len: ends.len(), is_unclosed: false, is_text: false, content, ends }
    }

    /// Returns a field without the blanks around it. `None` if the record has fewer fields.
    pub(super) fn get(&self, index: usize) -> Option<&'r [u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.content.get(start..end).map(<[u8]>::trim_ascii)
    }

    /// Checks that a record of text is one line.
    pub(super) fn check_one_line(&self) -> Result<(), RowError> {
        if self.is_unclosed {
            return Err(RowError::UnclosedQuote);
        }
        if self.is_text && self.content.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            let lines = LineCounter::new(self.content).line_at(self.content.len());
            return Err(RowError::LineBreak { lines });
        }
        Ok(())
    }

    /// Returns `true` if the record has no content: a line of blanks or commas.
    pub(super) fn is_empty(&self) -> bool {
        self.content.trim_ascii().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of all records, with their offsets.
    fn records(text: &[u8]) -> Vec<(usize, Vec<String>)> {
        let mut records = Records::new(text);
        let mut found = Vec::new();
        while let Some(record) = records.next() {
            let fields = (0..record.len).filter_map(|index| record.get(index));
            let fields = fields.map(|field| String::from_utf8_lossy(field).into_owned()).collect();
            found.push((record.offset, fields));
        }
        found
    }

    #[test]
    fn records_have_the_fields_of_the_csv_reader() {
        for text in [
            "a,b\n1, 2 \n",
            "a,b\r\n\r\n\"1,\n\"\"2\",3\r\nlast",
            "\u{feff}a,b\n\n\n\"x\"y,\n",
            "a\rb\r\"unclosed,\nrest\n",
            ",,\n \n\"\"\n",
            "",
            "\n",
        ] {
            let mut reader = csv::ReaderBuilder::new();
            let mut reader =
                reader.has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> =
                reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
            let found: Vec<Vec<String>> =
                records(text.as_bytes()).into_iter().map(|(_, fields)| fields).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn fields_above_the_maximum_are_counted() {
        let text = format!("{}\nnext\n", "1,".repeat(3 * FIELDS_MAX));
        let mut records = Records::new(text.as_bytes());
        let record = records.next().unwrap();
        assert_eq!((record.len, record.get(FIELDS_MAX - 1)), (3 * FIELDS_MAX + 1, Some(&b"1"[..])));
        assert_eq!(record.get(FIELDS_MAX), None);
        assert_eq!(records.next().unwrap().get(0), Some(&b"next"[..]));
        assert!(records.next().is_none());
    }
}
