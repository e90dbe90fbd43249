//! Vectors as `--vectors` writes them, compared value by value.

use std::io;
use std::path::Path;

use serde_json::Value;

/// How many differences are told.
const TOLD_MAX: usize = 5;
/// How much of a vector is.
const TOLD_CHARACTERS: usize = 2_000;

/// The vectors of a run without what differs from run to run: a line each of symbol, time, timeframe and sets, sorted. Equal
/// lines are vectors equal in every set, status, reason and in every bit of every value.
///
/// # Errors
/// When the file can't be read, or a line is no vector, with its number.
pub fn vectors_of(path: &Path) -> io::Result<Vec<String>> {
    let text = std::fs::read_to_string(path)?;
    let vector = |(i, line): (usize, &str)| {
        let fault = |cause: &str| io::Error::other(format!("{}:{}: {cause}: {line}", path.display(), i + 1));
        let mut vector: Value = serde_json::from_str(line).map_err(|e| fault(&e.to_string()))?;
        let fields = vector.as_object_mut().ok_or_else(|| fault("no object"))?;
        fields.remove("request_id").ok_or_else(|| fault("no request_id"))?;
        let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
        if keys != ["as_of", "sets", "symbol", "timeframe"] {
            return Err(fault("other fields than those of a vector"));
        }
        // Keys come out sorted and numbers in their shortest exact form, whatever the writer's order.
        Ok(vector.to_string())
    };
    let mut vectors: Vec<String> = text.lines().enumerate().map(vector).collect::<io::Result<_>>()?;
    vectors.sort_unstable();
    Ok(vectors)
}

/// What two runs don't share, for a person; empty when their vectors are equal. Both must be sorted.
#[must_use]
pub fn difference(ours: &[String], theirs: &[String]) -> Vec<String> {
    let (mut a, mut b) = (ours.iter().peekable(), theirs.iter().peekable());
    let (mut told, mut only_ours, mut only_theirs) = (Vec::new(), 0, 0);
    while let Some(order) = match (a.peek(), b.peek()) {
        (Some(a), Some(b)) => Some(a.cmp(b)),
        (Some(_), None) => Some(std::cmp::Ordering::Less),
        (None, Some(_)) => Some(std::cmp::Ordering::Greater),
        (None, None) => None,
    } {
        let (text, count, whose) = match order {
            std::cmp::Ordering::Equal => {
                a.next();
                b.next();
                continue;
            }
            std::cmp::Ordering::Less => (a.next(), &mut only_ours, "first"),
            std::cmp::Ordering::Greater => (b.next(), &mut only_theirs, "second"),
        };
        *count += 1;
        if *count <= TOLD_MAX {
            let text: String = text.into_iter().flat_map(|text| text.chars()).take(TOLD_CHARACTERS).collect();
            told.push(format!("only in the {whose}: {text}"));
        }
    }
    if only_ours + only_theirs > 0 {
        told.push(format!("{only_ours} only in the first, {only_theirs} only in the second"));
    }
    told
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
    fn runs_differ_by_the_last_bit_of_a_value_and_not_by_order_or_request() {
        let other = LINE.replace("\"A\"", "\"B\"");
        let ours = read(&format!("{LINE}\n{other}\n")).unwrap();
        let theirs = read(&format!("{other}\n{}\n", LINE.replace("\"1\"", "\"2\""))).unwrap();
        assert_eq!(difference(&ours, &theirs), [""; 0]);
        let theirs = read(&format!("{other}\n{}\n", LINE.replace("0.1", "0.10000000000000002"))).unwrap();
        assert_eq!(difference(&ours, &theirs).last().unwrap(), "1 only in the first, 1 only in the second");
    }

    #[test]
    fn a_vector_twice_is_a_difference() {
        let (once, twice) = (read(LINE).unwrap(), read(&format!("{LINE}\n{LINE}\n")).unwrap());
        assert_eq!(difference(&once, &twice).last().unwrap(), "0 only in the first, 1 only in the second");
    }

    #[test]
    fn a_line_that_is_no_vector_is_named() {
        assert!(read(&format!("{LINE}\n{{}}\n")).unwrap_err().to_string().contains(":2: no request_id"));
    }
}
