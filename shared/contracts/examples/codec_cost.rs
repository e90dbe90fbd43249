//! Time per operation on an alert: `cargo run --release -p contracts --example codec_cost`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the program prints its result")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use contracts::finding::{Defaults, Finding, parse};
use contracts::{Alert, Codec, Event, WriterError, WriterSchemas, codec, encode};
use domain::Timestamp;

const ROUNDS: u32 = 200_000;

struct EmbeddedSchema;

impl WriterSchemas for EmbeddedSchema {
    fn writer(&self, _id: u32) -> Result<Arc<apache_avro::Schema>, WriterError> {
        Ok(Arc::new(codec::schema::<Alert>().clone()))
    }
}

fn main() {
    let finding = include_bytes!("../../../schemas/scanner.alert.raised/examples/volume_spike.json");
    let defaults = Defaults { now: Timestamp::from_micros(4_000_000_000_000_000), source: "example" };
    let mut named: serde_json::Value = serde_json::from_slice(finding).unwrap_or_default();
    named["event"] = Alert::TOPIC.event().into();
    let json = named.to_string();
    let Ok(Finding::Alert(alert)) = parse(json.as_bytes(), &defaults) else {
        eprintln!("the example is not an alert");
        return;
    };
    let (mut bytes, codec) = (Vec::new(), Codec::new());
    measure("validate", || drop(black_box(alert.validate())));
    measure("encode", || drop(black_box(encode(&alert, 1, &mut bytes))));
    let payload = bytes.clone();
    measure("decode and validate", || {
        drop(black_box(codec.decode::<Alert>(payload.as_slice(), &EmbeddedSchema)))
    });
    measure("parse and validate a finding", || drop(black_box(parse(json.as_bytes(), &defaults))));
    println!("{} bytes encoded, {} bytes of JSON", payload.len(), json.len());
}

fn measure(operation: &str, mut work: impl FnMut()) {
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        work();
    }
    println!("{operation:<28} {:>6} ns", begun.elapsed().as_nanos() / u128::from(ROUNDS));
}
