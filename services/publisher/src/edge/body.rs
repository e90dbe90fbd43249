//! A request's body as a list of findings: one JSON object, an array of them, or a line each (NDJSON).

use serde_json::value::RawValue;

/// A body that can't be taken apart, and why. Nothing of it was accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// No finding in it.
    #[error("the batch is empty: send at least one finding")]
    Empty,
    /// More findings than one request may hold.
    #[error("the batch holds {items} findings, more than the {items_max} that one request may hold")]
    TooMany {
        /// How many it holds.
        items: usize,
        /// How many it may hold.
        items_max: usize,
    },
    /// Not JSON.
    #[error("malformed JSON: {cause}")]
    Malformed {
        /// What is wrong, with line and column.
        cause: String,
    },
}

/// One finding of a batch: its JSON text, or why a line of NDJSON is none.
pub type Item<'a> = Result<&'a str, String>;

/// Takes a body apart without reading into its findings.
///
/// A body that starts with `[` is an array. `is_ndjson` (the content type says so) makes each line an item of its own, so
/// that one broken line costs only itself; without it a body of several lines of which the first is whole is NDJSON too.
///
/// # Errors
/// [`BodyError`] when the body as a whole can't be used.
pub fn items(body: &[u8], is_ndjson: bool, items_max: usize) -> Result<Vec<Item<'_>>, BodyError> {
    let text = std::str::from_utf8(body)
        .map_err(|e| BodyError::Malformed { cause: format!("byte {} is not UTF-8", e.valid_up_to()) })?;
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
    let raw: Vec<&RawValue> = serde_json::from_str(text).map_err(malformed)?;
    Ok(raw.into_iter().map(|item| Ok(item.get())).collect())
}

fn object_or_lines(text: &str) -> Result<Vec<Item<'_>>, BodyError> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Ok(vec![Ok(text)]),
        Err(whole) => match text.split_once('\n') {
            Some((first, _)) if serde_json::from_str::<&RawValue>(first).is_ok() => Ok(lines(text)),
            _ => Err(malformed(whole)),
        },
    }
}

fn lines(text: &str) -> Vec<Item<'_>> {
    text.lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, number)| match serde_json::from_str::<&RawValue>(line) {
            Ok(_) => Ok(line),
            Err(e) => Err(format!("malformed JSON: line {number}: {e}")),
        })
        .collect()
}

#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
fn malformed(e: serde_json::Error) -> BodyError {
    BodyError::Malformed { cause: e.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<'a>(items: &'a [Item<'a>]) -> Vec<&'a str> {
        items.iter().map(|item| *item.as_ref().unwrap()).collect()
    }

    #[test]
    fn one_object_an_array_and_lines_are_batches() {
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
    fn an_empty_batch_is_refused() {
        for body in [&b""[..], b" \n ", b"[]"] {
            assert_eq!(items(body, false, 10), Err(BodyError::Empty));
        }
    }

    #[test]
    fn an_oversized_batch_is_refused_with_both_numbers() {
        let fault = items(b"[1,2,3]", false, 2).unwrap_err().to_string();
        assert!(fault.contains("3 findings") && fault.contains("the 2 that"), "{fault}");
    }

    #[test]
    fn malformed_json_names_line_and_column() {
        let fault = items(b"{\"a\": }", false, 10).unwrap_err().to_string();
        assert!(fault.contains("line 1 column 7"), "{fault}");
        assert!(items(b"[{\"a\":1},", false, 10).unwrap_err().to_string().starts_with("malformed JSON"));
        assert!(items(b"\xff{}", false, 10).unwrap_err().to_string().contains("byte 0 is not UTF-8"));
    }

    #[test]
    fn a_broken_line_costs_only_itself() {
        let items = items(b"{\"a\":1}\n{oops\n{\"b\":2}", false, 10).unwrap();
        assert_eq!(items.len(), 3);
        let fault = items[1].as_ref().unwrap_err();
        assert!(fault.starts_with("malformed JSON: line 2: "), "{fault}");
        assert!(items[0].is_ok() && items[2].is_ok());
    }
}
