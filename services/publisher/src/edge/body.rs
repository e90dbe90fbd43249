//! Body of a request as a list of findings: one JSON object, an array of objects, or one object per line (NDJSON).

use serde_json::value::RawValue;

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
#[error("malformed JSON: line {line}: {error}")]
pub struct LineError {
    /// The number of the line in the body, from 1.
    line: usize,
    error: serde_json::Error,
}

/// One finding of a batch: its JSON text, or the error of an NDJSON line.
pub type Item<'a> = Result<&'a str, LineError>;

/// Splits a body into the JSON texts of its findings. The findings themselves are not validated.
///
/// A body that starts with `[` is an array. If `is_ndjson` (from the content type), each line is an item, so that a malformed line
/// affects no other. Otherwise a body of several lines is NDJSON as well if its first line is a complete JSON value.
///
/// # Errors
/// [`BodyError`] if the body as a whole is invalid.
pub fn items(body: &[u8], is_ndjson: bool, items_max: usize) -> Result<Vec<Item<'_>>, BodyError> {
    let text = std::str::from_utf8(body).map_err(|e| BodyError::NotUtf8 { valid_up_to: e.valid_up_to() })?;
    let text = text.trim();
    let items = if text.is_empty() {
        return Err(BodyError::Empty);
    } else if is_ndjson {
        lines(text)
    } else if text.starts_with('[') {
        array(text)?
    } else {
        object_or_lines(text)?
    };
    match items.len() {
        0 => Err(BodyError::Empty),
        n if n > items_max => Err(BodyError::TooMany { items: n, items_max }),
        _ => Ok(items),
    }
}

fn array(text: &str) -> Result<Vec<Item<'_>>, BodyError> {
    let raw: Vec<&RawValue> = serde_json::from_str(text).map_err(BodyError::Malformed)?;
    Ok(raw.into_iter().map(|item| Ok(item.get())).collect())
}

fn object_or_lines(text: &str) -> Result<Vec<Item<'_>>, BodyError> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Ok(vec![Ok(text)]),
        Err(whole) => match text.split_once('\n') {
            Some((first, _)) if serde_json::from_str::<&RawValue>(first).is_ok() => Ok(lines(text)),
            _ => Err(BodyError::Malformed(whole)),
        },
    }
}

fn lines(text: &str) -> Vec<Item<'_>> {
    text.lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(text, line)| match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => Ok(text),
            Err(error) => Err(LineError { line, error }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<'a>(items: &'a [Item<'a>]) -> Vec<&'a str> {
        items.iter().map(|item| *item.as_ref().unwrap()).collect()
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
        for body in [&b""[..], b" \n ", b"[]"] {
            assert!(matches!(items(body, false, 10), Err(BodyError::Empty)));
        }
    }

    #[test]
    fn oversized_batch_is_rejected_with_both_numbers() {
        let error = items(b"[1,2,3]", false, 2).unwrap_err().to_string();
        assert_eq!(error, "batch too large: 3 findings, at most 2 are allowed in one request");
    }

    #[test]
    fn malformed_json_names_line_and_column() {
        let error = items(b"{\"a\": }", false, 10).unwrap_err().to_string();
        assert!(error.contains("line 1 column 7"), "{error}");
        assert!(items(b"[{\"a\":1},", false, 10).unwrap_err().to_string().starts_with("malformed JSON"));
        assert!(items(b"\xff{}", false, 10).unwrap_err().to_string().contains("byte 0 is not UTF-8"));
    }

    #[test]
    fn malformed_line_affects_no_other_line() {
        let items = items(b"{\"a\":1}\n{oops\n{\"b\":2}", false, 10).unwrap();
        assert_eq!(items.len(), 3);
        let error = items[1].as_ref().unwrap_err().to_string();
        assert!(error.starts_with("malformed JSON: line 2: "), "{error}");
        assert_eq!([&items[0], &items[2]].map(|item| *item.as_ref().unwrap()), ["{\"a\":1}", "{\"b\":2}"]);
    }
}
