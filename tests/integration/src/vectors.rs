//! Comparison of the vectors that `--vectors` writes.

use std::io;
use std::path::Path;

use serde_json::Value;

/// Maximum number of differences in the output.
const DIFFERENCES_MAX: usize = 5;
/// Maximum number of characters of a vector in the output.
const VECTOR_CHARACTERS_MAX: usize = 2_000;

/// Reads the vectors of a run without the fields that differ between runs: one line each with symbol, time, timeframe and sets,
/// sorted. Equal lines are vectors that are equal in every set, status, reason and bit of every value.
///
/// # Errors
/// The file cannot be read, or a line is no vector, with its number.
pub fn vectors_of(path: &Path) -> io::Result<Vec<String>> {
    let text = std::fs::read_to_string(path)?;
    let vector = |(i, line): (usize, &str)| {
        let error = |cause: &str| io::Error::other(format!("{}:{}: {cause}: {line}", path.display(), i + 1));
        let mut vector: Value = serde_json::from_str(line).map_err(|e| error(&e.to_string()))?;
        let fields = vector.as_object_mut().ok_or_else(|| error("not an object"))?;
        fields.remove("request_id").ok_or_else(|| error("no request_id"))?;
        let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
        if keys != ["as_of", "sets", "symbol", "timeframe"] {
            return Err(error("invalid fields"));
        }
        // Keys are sorted and numbers have their shortest exact form, regardless of the writer.
        Ok(vector.to_string())
    };
    let mut vectors: Vec<String> = text.lines().enumerate().map(vector).collect::<io::Result<_>>()?;
    vectors.sort_unstable();
    Ok(vectors)
}

/// Returns the differences of two runs; empty if their vectors are equal. Both must be sorted.
#[must_use]
pub fn difference(first: &[String], second: &[String]) -> Vec<String> {
    let (mut a, mut b) = (first.iter().peekable(), second.iter().peekable());
    let (mut lines, mut only_first, mut only_second) = (Vec::new(), 0, 0);
    while let Some(order) = match (a.peek(), b.peek()) {
        (Some(a), Some(b)) => Some(a.cmp(b)),
        (Some(_), None) => Some(std::cmp::Ordering::Less),
        (None, Some(_)) => Some(std::cmp::Ordering::Greater),
        (None, None) => None,
    } {
        let (text, count, run) = match order {
            std::cmp::Ordering::Equal => {
                a.next();
                b.next();
                continue;
            }
            std::cmp::Ordering::Less => (a.next(), &mut only_first, "first"),
            std::cmp::Ordering::Greater => (b.next(), &mut only_second, "second"),
        };
        *count += 1;
        if *count <= DIFFERENCES_MAX {
            let text: String =
                text.into_iter().flat_map(|text| text.chars()).take(VECTOR_CHARACTERS_MAX).collect();
            lines.push(format!("only in the {run}: {text}"));
        }
    }
    if only_first + only_second > 0 {
        lines.push(format!("{only_first} only in the first, {only_second} only in the second"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"symbol":"A","timeframe":"1day","as_of":"t","request_id":"1","sets":{"s":{"status":"ok","reason":null,"values":{"x":0.1}}}}"#;

    fn read(text: &str) -> io::Result<Vec<String>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        vectors_of(file.path())
    }

    #[test]
    fn last_bit_of_a_value_differs_and_order_and_request_do_not() {
        let other = LINE.replace("\"A\"", "\"B\"");
        let first = read(&format!("{LINE}\n{other}\n")).unwrap();
        let second = read(&format!("{other}\n{}\n", LINE.replace("\"1\"", "\"2\""))).unwrap();
        assert_eq!(difference(&first, &second), [""; 0]);
        let second = read(&format!("{other}\n{}\n", LINE.replace("0.1", "0.10000000000000002"))).unwrap();
        assert_eq!(difference(&first, &second).last().unwrap(), "1 only in the first, 1 only in the second");
    }

    #[test]
    fn duplicate_vector_is_a_difference() {
        let (once, twice) = (read(LINE).unwrap(), read(&format!("{LINE}\n{LINE}\n")).unwrap());
        assert_eq!(difference(&once, &twice).last().unwrap(), "0 only in the first, 1 only in the second");
    }

    #[test]
    fn error_of_a_line_without_vector_has_its_number() {
        assert!(read(&format!("{LINE}\n{{}}\n")).unwrap_err().to_string().contains(":2: no request_id"));
    }
}
