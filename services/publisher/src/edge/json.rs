//! Reading JSON. The edge reads it here only and counts the bytes, so that a second pass over a body shows.

use std::cell::Cell;

use contracts::Violation;
use contracts::finding::{Defaults, Parsed, parse};
use serde::Deserialize;
use serde_json::Deserializer;
use serde_json::de::SliceRead;

/// Counts the bytes of JSON that are read for a request. A pass that fails counts as a whole.
#[derive(Debug, Default)]
pub(super) struct JsonReader(Cell<usize>);

impl JsonReader {
    /// Begins a pass over a text.
    pub(super) fn begin<'a>(&self, text: &'a [u8]) -> Deserializer<SliceRead<'a>> {
        self.0.set(self.0.get() + text.len());
        Deserializer::from_slice(text)
    }

    /// Reads a text that is one value.
    pub(super) fn value<'a, T: Deserialize<'a>>(&self, text: &'a [u8]) -> serde_json::Result<T> {
        let mut json = self.begin(text);
        let value = T::deserialize(&mut json)?;
        json.end().map(|()| value)
    }

    /// Reads one finding. An invalid one takes further passes, of which one is counted.
    pub(super) fn finding(&self, text: &[u8], defaults: &Defaults<'_>) -> Result<Parsed, Violation> {
        let _first_pass = self.begin(text);
        parse(text, defaults).inspect_err(|_| drop(self.begin(text)))
    }

    /// The bytes that have been read.
    pub(super) fn bytes(&self) -> usize {
        self.0.get()
    }
}
