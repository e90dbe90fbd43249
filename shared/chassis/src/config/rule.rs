//! The rules that deserialisation reports, in the words of an operator.

use kit::secret::redacted_address;

/// Converts serde's text ("invalid type: string "x", expected usize") to a rule. The value is left out: it is shown with the key.
pub(crate) fn of_serde(text: &str) -> String {
    let Some((_, expected)) = text.rsplit_once("expected ") else {
        return match text {
            "invalid socket address syntax" => "must be an IP address and a port".to_owned(),
            // Texts of our own types may contain the value.
            other => redacted_address(other),
        };
    };
    // `serde_json` ends some texts with a position.
    let expected = expected.split(" at line ").next().unwrap_or(expected);
    if let Some(range) = range_of(expected) {
        return format!("must be a whole number {range}");
    }
    match expected {
        "f32" | "f64" => "must be a number".to_owned(),
        "a boolean" => "must be true or false".to_owned(),
        "a string" | "a borrowed string" | "str" => "must be a text".to_owned(),
        "a sequence" => "must be a list".to_owned(),
        "a map" => "must be a table of keys".to_owned(),
        "path string" => "must be a path".to_owned(),
        names if names.contains('`') => {
            let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
            match names.split_last() {
                Some((last, [])) => format!("must be {last}"),
                Some((last, others)) => format!("must be {} or {last}", others.join(", ")),
                None => "has the wrong type".to_owned(),
            }
        }
        other => redacted_address(&format!("must be {other}")),
    }
}

/// Returns the range of a type of whole numbers.
fn range_of(name: &str) -> Option<String> {
    Some(match name {
        "u8" => format!("from 0 to {}", u8::MAX),
        "u16" => format!("from 0 to {}", u16::MAX),
        "u32" => format!("from 0 to {}", u32::MAX),
        "u64" | "usize" => "of at least 0".to_owned(),
        "i32" => format!("from {} to {}", i32::MIN, i32::MAX),
        "i64" => format!("from {} to {}", i64::MIN, i64::MAX),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_is_in_words_and_without_the_value() {
        let rules = [
            (
                "invalid type: string \"http://me:hunter2@a\", expected usize",
                "must be a whole number of at least 0",
            ),
            ("invalid value: integer `-1`, expected u32", "must be a whole number from 0 to 4294967295"),
            ("invalid type: integer `3`, expected a string", "must be a text"),
            ("invalid type: string \"yes\", expected a boolean", "must be true or false"),
            ("invalid type: string \"x\", expected f64", "must be a number"),
            ("unknown variant `maybe`, expected `json` or `text`", "must be json or text"),
            ("unknown variant `x`, expected one of `a`, `b`, `c`", "must be a, b or c"),
            ("invalid socket address syntax", "must be an IP address and a port"),
        ];
        for (text, rule) in rules {
            assert_eq!(of_serde(text), rule);
        }
        assert!(!of_serde("bad value me:hunter2@host").contains("hunter2"));
    }
}
