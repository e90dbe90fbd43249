//! Body of a request as a list of findings: one JSON object, an array of objects, or one object per line (NDJSON).

use std::fmt;

use serde::Deserializer;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json::JsonReader;

/// U+FEFF, which some programs write at the start of a file. Skipped at the start of a body and, as files are concatenated, of a line.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A body that is invalid as a whole: none of its findings is accepted. The text, cause included, is the `error` of the response.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("empty batch: send at least one finding")]
    Empty,
    #[error("batch too large: {items} findings, at most {items_max} are allowed in one request")]
    TooMany { items: usize, items_max: usize },
    #[error("malformed JSON: byte {valid_up_to} is not UTF-8")]
    NotUtf8 {
        /// The number of valid bytes before it.
        valid_up_to: usize,
    },
    /// With line and column.
    #[error("malformed JSON: {0}")]
    Malformed(serde_json::Error),
}

/// A line of an NDJSON body that is not JSON. The text is the `cause` of the finding's outcome.
#[derive(Debug, thiserror::Error)]
#[error("malformed JSON: {cause} at line {line} column {column}")]
pub(super) struct LineError {
    cause: String,
    /// The number of the line in the body, from 1.
    line: usize,
    /// The number of the byte in the line, from 1.
    column: usize,
}

/// One finding of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'a> {
    /// A complete JSON value.
    Value(&'a str),
    /// A line of an NDJSON body, not read yet.
    Line {
        text: &'a [u8],
        /// Its number in the body, from 1.
        number: usize,
    },
}

/// The findings of a body up to the maximum. Further ones are only counted, so that the memory of a batch is bounded before its size is
/// known.
struct Batch<'a> {
    items: Vec<Item<'a>>,
    count: usize,
    items_max: usize,
}

/// Splits a body into its findings. The findings themselves are not validated.
///
/// A body that starts with `[` is an array. If `is_ndjson` (from the content type), each line is an item, so that a malformed line
/// affects no other. Otherwise a body of several lines is NDJSON as well if its first line is a complete JSON value.
///
/// # Errors
/// [`BodyError`] if the body as a whole is invalid.
pub(super) fn items<'a>(
    (json, body): (&JsonReader, &'a [u8]),
    is_ndjson: bool,
    items_max: usize,
) -> Result<Vec<Item<'a>>, BodyError> {
    let body = without_mark(body);
    let start = body.trim_ascii_start();
    let batch = Batch { items: Vec::new(), count: 0, items_max };
    let batch = if start.is_empty() {
        return Err(BodyError::Empty);
    } else if is_ndjson {
        lines(body, batch)
    } else if start.starts_with(b"[") {
        array(json, body, batch)?
    } else {
        object_or_lines(json, body, batch)?
    };
    match batch.count {
        0 => Err(BodyError::Empty),
        n if n > items_max => Err(BodyError::TooMany { items: n, items_max }),
        _ => Ok(batch.items),
    }
}

/// Returns a body or a line without the byte order mark before it.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

fn array<'a>(json: &JsonReader, body: &'a [u8], batch: Batch<'a>) -> Result<Batch<'a>, BodyError> {
    let mut json = json.begin(body);
    let read = json.deserialize_seq(batch).and_then(|batch| json.end().map(|()| batch));
    read.map_err(|error| invalid(body, error))
}

fn object_or_lines<'a>(
    json: &JsonReader,
    body: &'a [u8],
    mut batch: Batch<'a>,
) -> Result<Batch<'a>, BodyError> {
    match json.value::<&RawValue>(body) {
        Ok(one) => {
            batch.add(Item::Value(one.get()));
            Ok(batch)
        }
        Err(whole) => {
            let first = body.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
            let is_json = |line: &[u8]| json.value::<&RawValue>(line).is_ok();
            match first {
                // The whole body is no value, so a first line that is one is not the only one.
                Some(first) if is_json(first) => Ok(lines(body, batch)),
                _ => Err(invalid(body, whole)),
            }
        }
    }
}

fn invalid(body: &[u8], error: serde_json::Error) -> BodyError {
    match std::str::from_utf8(body) {
        Ok(_) => BodyError::Malformed(error),
        Err(error) => BodyError::NotUtf8 { valid_up_to: error.valid_up_to() },
    }
}

fn lines<'a>(body: &'a [u8], mut batch: Batch<'a>) -> Batch<'a> {
    let lines = body
        .split(|byte| *byte == b'\n')
        .zip(1..)
        .map(|(text, number)| (without_mark(text), number))
        .filter(|(text, _)| !text.trim_ascii().is_empty());
    for (text, number) in lines {
        batch.add(Item::Line { text, number });
    }
    batch
}

impl<'a> Batch<'a> {
    fn add(&mut self, item: Item<'a>) {
        self.count += 1;
        if self.count <= self.items_max {
            self.items.push(item);
        }
    }
}

/// Reads the items of an array.
impl<'de> Visitor<'de> for Batch<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<Self, A::Error> {
        while let Some(item) = array.next_element::<&RawValue>()? {
            self.add(Item::Value(item.get()));
        }
        Ok(self)
    }
}

impl<'a> Item<'a> {
    /// Returns the JSON text of the finding.
    ///
    /// # Errors
    /// A line that is not one JSON value.
    pub(super) fn json(self, json: &JsonReader) -> Result<&'a str, LineError> {
        let (text, line) = match self {
            Self::Value(text) => return Ok(text),
            Self::Line { text, number } => (text, number),
        };
        json.value::<&RawValue>(text).map(RawValue::get).map_err(|error| match std::str::from_utf8(text) {
            Ok(_) => LineError { cause: without_position(&error), line, column: error.column() },
            Err(error) => LineError { cause: "not UTF-8".to_owned(), line, column: error.valid_up_to() + 1 },
        })
    }

    /// Returns the bytes of the finding, which of a line may not be JSON.
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Value(text) => text.as_bytes(),
            Self::Line { text, .. } => text,
        }
    }
}

/// Returns the text of an error of one line without its position, which is that within the line.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(body: &[u8], is_ndjson: bool, items_max: usize) -> Result<Vec<Item<'_>>, BodyError> {
        super::items((&JsonReader::default(), body), is_ndjson, items_max)
    }

    fn texts<'a>(items: &[Item<'a>]) -> Vec<&'a str> {
        items.iter().map(|item| item.json(&JsonReader::default()).unwrap()).collect()
    }

    fn errors(items: &[Item<'_>]) -> Vec<String> {
        items.iter().filter_map(|item| Some(item.json(&JsonReader::default()).err()?.to_string())).collect()
    }

    #[test]
    fn object_array_and_lines_are_batches() {
        let one = items(b" {\"a\":\n 1} ", false, 10).unwrap();
        assert_eq!(texts(&one), ["{\"a\":\n 1}"]);
        let array = items(br#"[{"a":1}, {"b":2}]"#, false, 10).unwrap();
        assert_eq!(texts(&array), [r#"{"a":1}"#, r#"{"b":2}"#]);
        for is_ndjson in [true, false] {
            let lines = items(b"{\"a\":1}\n\n{\"b\":2}\n", is_ndjson, 10).unwrap();
            assert_eq!(texts(&lines), [r#"{"a":1}"#, r#"{"b":2}"#]);
        }
    }

    #[test]
    fn empty_batch_is_rejected() {
        for body in [&b""[..], b" \n ", b"[]", BYTE_ORDER_MARK] {
            assert!(matches!(items(body, false, 10), Err(BodyError::Empty)), "{body:?}");
        }
        assert!(matches!(items(b"\n\r\n", true, 10), Err(BodyError::Empty)));
    }

    #[test]
    fn oversized_batch_is_rejected_with_both_numbers() {
        let error = items(b"[1,2,3]", false, 2).unwrap_err().to_string();
        assert_eq!(error, "batch too large: 3 findings, at most 2 are allowed in one request");
        for body in [&b"x\n\nx\nx\n"[..], b"1\n\n2\n{oops\n"] {
            let is_ndjson = body.starts_with(b"x");
            let error = items(body, is_ndjson, 2).unwrap_err();
            assert!(matches!(error, BodyError::TooMany { items: 3, items_max: 2 }), "{error}");
        }
        assert_eq!(items(b"[1,2]", false, 2).unwrap().len(), 2);
    }

    #[test]
    fn malformed_json_names_line_and_column() {
        let error = items(b"{\"a\": }", false, 10).unwrap_err().to_string();
        assert!(error.contains("line 1 column 7"), "{error}");
        let error = items(b"\r\n\n[{\"a\": }]", false, 10).unwrap_err().to_string();
        assert!(error.contains("line 3 column 8"), "{error}");
        for body in [&b"[{\"a\":1},"[..], b"[1,2,3", b"[1,2,3] x"] {
            assert!(items(body, false, 2).unwrap_err().to_string().starts_with("malformed JSON"));
        }
        for body in [&b"\xff{}"[..], b"[\xff]"] {
            let error = items(body, false, 10).unwrap_err().to_string();
            assert!(error.contains("is not UTF-8"), "{error}");
        }
    }

    #[test]
    fn malformed_line_affects_no_other_line() {
        for (separator, is_ndjson) in [("\n", true), ("\r\n", true), ("\n", false), ("\r\n", false)] {
            let body = ["{\"a\":1}", "{oops", "", "{\"b\":2}", "{\"c\":}"].join(separator);
            let items = items(body.as_bytes(), is_ndjson, 10).unwrap();
            assert_eq!(
                [items[0], items[2]].map(|item| item.json(&JsonReader::default()).unwrap()),
                ["{\"a\":1}", "{\"b\":2}"]
            );
            let expected = [
                "malformed JSON: key must be a string at line 2 column 2",
                "malformed JSON: expected value at line 5 column 6",
            ];
            assert_eq!(errors(&items), expected);
        }
    }

    #[test]
    fn leading_blank_lines_count() {
        let items = items(b"\n\r\n{oops\n{}\n", true, 10).unwrap();
        assert_eq!(errors(&items), ["malformed JSON: key must be a string at line 3 column 2"]);
    }

    #[test]
    fn byte_that_is_not_utf8_affects_its_line_alone() {
        for is_ndjson in [true, false] {
            let items = items(b"{\"a\":1}\n{\"b\":\"\xe9\"}\n{\"c\":3}\n", is_ndjson, 10).unwrap();
            assert_eq!(items.len(), 3);
            assert_eq!(errors(&items), ["malformed JSON: not UTF-8 at line 2 column 7"]);
        }
    }

    #[test]
    fn byte_order_mark_is_skipped() {
        for body in ["\u{feff}{\"a\":1}", "\u{feff}[{\"a\":1}]", "\u{feff}\n{\"a\":1}"] {
            assert_eq!(texts(&items(body.as_bytes(), false, 10).unwrap()), ["{\"a\":1}"]);
        }
        for is_ndjson in [true, false] {
            let two = "\u{feff}{\"a\":1}\n\u{feff}{\"b\":2}\n".as_bytes();
            assert_eq!(texts(&items(two, is_ndjson, 10).unwrap()), ["{\"a\":1}", "{\"b\":2}"]);
        }
    }
}
