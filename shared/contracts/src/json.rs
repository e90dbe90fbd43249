//! Events as JSON: examples, findings, and the output of tools.
//!
//! Fields have the names of the schema. Instants are ISO-8601 in UTC, dates have the form `2024-03-15`, enums are names, maps are
//! objects, and numbers have all their digits. A field with a default in the schema may be omitted. Unknown fields are errors.

use crate::bounds::{ID_BYTES_MAX, TEXT_BYTES_MAX, excerpt};
use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;

use crate::event::Event;
use crate::violation::Violation;

/// Returns the event as JSON. A number that is NaN or infinite, which no valid event contains, becomes null.
#[must_use]
pub fn to_json<E: Event>(event: &E) -> Value {
    serde_json::to_value(event).expect("events are structs of numbers, texts, lists, and maps with text keys")
}

/// Reads an event from JSON and checks its rules.
///
/// # Errors
/// If the JSON is malformed, a field is missing, unknown or of the wrong type, or a rule is violated.
pub fn from_json<E: Event>(json: &[u8]) -> Result<E, Violation> {
    let event: E = read(E::TOPIC.event(), json)?;
    event.validate()?;
    Ok(event)
}

/// Reads a value. Tracking the path takes as long as reading, so the path is determined in a second pass after an error.
pub(crate) fn read<'de, T: Deserialize<'de>>(event: &'static str, json: &'de [u8]) -> Result<T, Violation> {
    if let Ok(value) = serde_json::from_slice(json) {
        return Ok(value);
    }
    let mut input = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut input).map_err(|error| violation(event, &error))?;
    input.end().map_err(|error| Violation { event, path: String::new(), cause: cause(&error) })?;
    Ok(value)
}

/// Returns an error of serde as a violation.
pub(crate) fn violation(
    event: &'static str,
    error: &serde_path_to_error::Error<serde_json::Error>,
) -> Violation {
    let path = error.path().to_string();
    // serde_path_to_error writes the path of the whole event as a dot.
    let path = if path == "." { String::new() } else { path };
    let shortened = |text: &str, bytes_max| excerpt(text, bytes_max).into_owned();
    Violation {
        event,
        path: shortened(&path, ID_BYTES_MAX),
        cause: shortened(&cause(error.inner()), TEXT_BYTES_MAX / 4),
    }
}

/// Keeps the position of malformed JSON. For an invalid value the path is more precise, so the position is removed.
fn cause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match error.classify() {
        Category::Data => match text.rfind(" at line ") {
            Some(end) => text[..end].to_owned(),
            None => text,
        },
        Category::Syntax | Category::Eof | Category::Io => format!("malformed JSON: {text}"),
    }
}
