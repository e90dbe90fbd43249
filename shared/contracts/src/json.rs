//! Events as JSON: examples, findings, and what people read.
//!
//! One rule: the schema's field names; instants as ISO-8601 in UTC, dates as `2024-03-15`, enums by name, maps as objects, numbers
//! with all their digits. A field that has a default in the schema may be left out. Unknown fields are faults.

use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;

use crate::event::Event;
use crate::violation::Violation;

/// The event as JSON. A number that is NaN or infinite, which no valid event holds, becomes null.
#[must_use]
pub fn to_json<E: Event>(event: &E) -> Value {
    serde_json::to_value(event)
        .expect("events are structs of numbers, texts, lists, and maps with texts as keys")
}

/// Reads an event from JSON and checks its rules.
///
/// # Errors
/// When it is malformed, a field is missing, unknown or of another type, or a rule is broken; with event, path and cause.
pub fn from_json<E: Event>(json: &[u8]) -> Result<E, Violation> {
    let event: E = read(E::TOPIC.event(), json)?;
    event.validate()?;
    Ok(event)
}

/// Reads a value; keeping track of the path costs as much as reading, so that is done only once something is wrong.
pub(crate) fn read<'de, T: Deserialize<'de>>(event: &'static str, json: &'de [u8]) -> Result<T, Violation> {
    if let Ok(value) = serde_json::from_slice(json) {
        return Ok(value);
    }
    let mut input = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut input).map_err(|error| fault(event, &error))?;
    input.end().map_err(|error| Violation { event, path: String::new(), cause: cause(&error) })?;
    Ok(value)
}

/// What serde says, as a fault.
pub(crate) fn fault(event: &'static str, error: &serde_path_to_error::Error<serde_json::Error>) -> Violation {
    let path = error.path().to_string();
    // The path of the event as a whole is written as a dot.
    let path = if path == "." { String::new() } else { path };
    Violation { event, path, cause: cause(error.inner()) }
}

/// Of malformed JSON the position is told; of a wrong value the path says more than the position, which is cut off.
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
