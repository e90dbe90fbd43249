//! Findings: JSON objects that scanners send to the edge, with the event's name in `event` and the event's fields.
//!
//! A finding may omit four fields: `event_id` (default: a new UUID v7), `occurred_at` (now), `source` (the name of the caller) and
//! `correlation_id` (the event id).

mod input;
mod one_pass;
mod parsed;

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::Deserializer;

use crate::json;
use crate::rules::short;
use crate::violation::Violation;

pub use input::Defaults;
use input::WithDefaults;
pub use one_pass::OnePass;
use parsed::EventKind;
pub use parsed::{Finding, Parsed, Unchecked};

/// Replaces the name of the event in a violation if the name cannot be read.
const NAMELESS: &str = "finding";

const NAMES: &str = "scanner.alert.raised, market.gap.detected, scanner.symbol.proposed";

/// Reads a finding and checks its rules, including [`Event::check_clock`](crate::Event::check_clock). A valid one is read in one pass.
///
/// # Errors
/// The first violation. Malformed JSON is reported with its position, and with `finding` as the event if the name cannot be read.
pub fn parse(json: &[u8], defaults: &Defaults<'_>) -> Result<Parsed, Violation> {
    let mut input = Deserializer::from_slice(json);
    let read = OnePass(defaults).deserialize(&mut input).and_then(|finding| input.end().map(|()| finding));
    read.or_else(|_| with_paths(json, defaults))?.check(defaults.now)
}

/// Reads a finding that [`OnePass`] cannot read. Names and paths of errors take further passes: see [`json::read`].
fn with_paths(json: &[u8], defaults: &Defaults<'_>) -> Result<Unchecked, Violation> {
    let name = name(json)?;
    let kind = EventKind::from_name(&name)
        .ok_or_else(|| nameless(format!("{:?} is not one of {NAMES}", short(&name))))?;
    let mut input = Deserializer::from_slice(json);
    let mut track = serde_path_to_error::Track::new();
    let fields = WithDefaults::new(&mut input, defaults);
    match kind.read(serde_path_to_error::Deserializer::new(fields, &mut track)) {
        Ok(finding) => Ok(Unchecked::new(finding, None)),
        Err(error) => {
            let error = serde_path_to_error::Error::new(track.path(), error);
            Err(json::violation(kind.name(), &error))
        }
    }
}

/// Returns the name of the event. It reads the whole JSON, so malformed JSON is detected here.
fn name(json: &[u8]) -> Result<Cow<'_, str>, Violation> {
    const EXPECTED: &str = "an object with the fields of an event";

    #[derive(Deserialize)]
    #[serde(expecting = "an object with the fields of an event")]
    struct Head<'a> {
        #[serde(borrow)]
        event: Option<Cow<'a, str>>,
    }

    // serde would read the items of an array as the fields of a struct.
    if json.trim_ascii_start().starts_with(b"[") {
        let cause = format!("invalid type: sequence, expected {EXPECTED}");
        return Err(Violation { event: NAMELESS, path: String::new(), cause });
    }
    let head: Head<'_> = json::read(NAMELESS, json)?;
    head.event.ok_or_else(|| nameless(format!("is missing, expected one of {NAMES}")))
}

fn nameless(cause: String) -> Violation {
    Violation { event: NAMELESS, path: "event".to_owned(), cause }
}
