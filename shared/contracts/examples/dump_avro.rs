//! Prints the Avro body of every valid example as JSON, `{"<event>/<name>": "<hex>"}`, for `tests/fastavro/check.py`.
#![expect(clippy::print_stdout, reason = "the program prints its result")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use common::{OWN, valid_examples};
use contracts::catalogue::contract;
use contracts::split;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut bodies = BTreeMap::new();
    let mut payload = Vec::new();
    for example in valid_examples() {
        let contract = contract(example.topic).ok_or("an example without an event")?;
        contract.encode_from_json(example.text.as_bytes(), OWN, &mut payload)?;
        let (_, body) = split(&payload)?;
        let mut hex = String::with_capacity(body.len() * 2);
        for byte in body {
            write!(hex, "{byte:02x}")?;
        }
        bodies.insert(example.name, hex);
    }
    println!("{}", serde_json::to_string_pretty(&bodies)?);
    Ok(())
}
