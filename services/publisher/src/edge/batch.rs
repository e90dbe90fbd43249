//! Reads the findings of a body. Valid ones are read in one pass over their JSON.

use std::fmt;

use contracts::finding::{Defaults, OnePass, Parsed};
use contracts::{Violation, finding};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, SeqAccess, Visitor};

use super::body::{BodyError, Item, LineError, items, without_mark};
use super::json::JsonReader;

/// A finding that cannot be published.
#[derive(Debug)]
pub(super) enum FindingError {
    /// Not JSON.
    Line(LineError),
    /// A rule is violated.
    Rule(Violation),
}

/// Reads the findings of a body and converts each with `convert`. The converted findings are in the order of the body. `convert` may be
/// called again for a finding, then with its final result.
///
/// A body with a finding that cannot be read takes further passes: its findings are separated first, so that the others are accepted.
///
/// # Errors
/// [`BodyError`] if the body as a whole is invalid.
pub(super) fn read<T>(
    (json, body): (&JsonReader, &[u8]),
    is_ndjson: bool,
    items_max: usize,
    defaults: &Defaults<'_>,
    mut convert: impl FnMut(Result<Parsed, FindingError>) -> T,
) -> Result<Vec<T>, BodyError> {
    let whole = (json, without_mark(body));
    if !is_ndjson && let Some(converted) = one_pass(whole, items_max, defaults, &mut convert) {
        return Ok(converted);
    }
    let items = items((json, body), is_ndjson, items_max)?;
    Ok(items.into_iter().map(|item| convert(of_item(json, item, defaults))).collect())
}

fn of_item(json: &JsonReader, item: Item<'_>, defaults: &Defaults<'_>) -> Result<Parsed, FindingError> {
    // A line that is not JSON is an error of the line and its position is that in the body.
    json.finding(item.bytes(), defaults).map_err(|violation| match item.json(json) {
        Ok(_) => FindingError::Rule(violation),
        Err(error) => FindingError::Line(error),
    })
}

/// Reads an object or an array of objects. `None` if that fails, or if there are too many findings or none.
fn one_pass<T>(
    (json, body): (&JsonReader, &[u8]),
    items_max: usize,
    defaults: &Defaults<'_>,
    convert: impl FnMut(Result<Parsed, FindingError>) -> T,
) -> Option<Vec<T>> {
    let mut json = json.begin(body);
    let mut batch = Batch { converted: Vec::new(), items_max, defaults, convert };
    if body.trim_ascii_start().starts_with(b"[") {
        batch = json.deserialize_seq(batch).ok()?;
    } else {
        let finding = OnePass(defaults).deserialize(&mut json).ok()?;
        // Before the conversion: another value may follow.
        json.end().ok()?;
        batch.add(finding);
    }
    json.end().ok()?;
    (1..=items_max).contains(&batch.converted.len()).then_some(batch.converted)
}

struct Batch<'a, T, F> {
    converted: Vec<T>,
    items_max: usize,
    defaults: &'a Defaults<'a>,
    convert: F,
}

impl<T, F: FnMut(Result<Parsed, FindingError>) -> T> Batch<'_, T, F> {
    fn add(&mut self, finding: finding::Unchecked) {
        let checked = finding.check(self.defaults.now).map_err(FindingError::Rule);
        self.converted.push((self.convert)(checked));
    }
}

/// Reads the items of an array.
impl<'de, T, F: FnMut(Result<Parsed, FindingError>) -> T> Visitor<'de> for Batch<'_, T, F> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of findings")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<Self, A::Error> {
        while let Some(finding) = array.next_element_seed(OnePass(self.defaults))? {
            if self.converted.len() == self.items_max {
                return Err(A::Error::custom("too many findings"));
            }
            self.add(finding);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;

    const ALERT: &str = r#"{"event":"scanner.alert.raised","symbol":"A","alert_type":"momentum","score":0.5,"message":"","source_scanner":"s"}"#;

    fn defaults() -> Defaults<'static> {
        Defaults { now: Timestamp::from_micros(1_710_532_800_000_000), source: "caller" }
    }

    /// Returns an alert of this symbol, with a score that violates a rule if that is 2, and that is no number if it is empty.
    fn alert(symbol: &str, score: &str) -> String {
        let score = if score.is_empty() { "\"\"" } else { score };
        ALERT.replace("\"A\"", &format!("\"{symbol}\"")).replace("0.5", score)
    }

    /// Returns the symbol, or the path of the error.
    fn text_of(read: Result<Parsed, FindingError>) -> String {
        match read {
            Ok(parsed) => parsed.finding.symbol().to_owned(),
            Err(FindingError::Rule(violation)) => violation.path,
            Err(FindingError::Line(error)) => error.to_string(),
        }
    }

    #[test]
    fn object_or_array_is_read_in_one_pass() {
        let of = |body: &str| one_pass((&JsonReader::default(), body.as_bytes()), 3, &defaults(), text_of);
        let [a, b, wrong] = [alert("A", "0"), alert("B", "1"), alert("C", "2")];
        assert_eq!(of(&format!(" {a} ")), Some(vec!["A".to_owned()]));
        assert_eq!(of(&format!("\n[{a}, {wrong},{b}]\n")).unwrap(), ["A", "score", "B"]);
        let others = [
            String::new(),
            "[]".to_owned(),
            format!("{a}\n{b}"),
            format!("[{a}] x"),
            format!("[{a},{}]", alert("D", "")),
            format!("[{a},{a},{a},{a}]"),
        ];
        for body in others {
            assert_eq!(of(&body), None, "{body}");
        }
    }

    #[test]
    fn each_finding_is_converted_once_unless_one_is_unreadable() {
        let [a, b, unreadable] = [alert("A", "0"), alert("B", "1"), alert("C", "")];
        let cases = [
            (format!("\u{feff}[{a},{b}]"), vec!["A", "B"], 2),
            (format!("{a}\n\n{b}\n{unreadable}"), vec!["A", "B", "score"], 3),
            (format!("[{a},{unreadable},{b}]"), vec!["A", "score", "B"], 4),
            (format!("{a}\nx\n"), vec!["A", "malformed JSON: expected value at line 2 column 1"], 2),
        ];
        for (body, expected, conversions) in cases {
            let mut count = 0;
            let convert = |finding| {
                count += 1;
                text_of(finding)
            };
            let body_of = (&JsonReader::default(), body.as_bytes());
            let read = read(body_of, false, 3, &defaults(), convert).unwrap();
            assert_eq!(
                (read, count),
                (expected.iter().map(ToString::to_string).collect(), conversions),
                "{body}"
            );
        }
    }
}
