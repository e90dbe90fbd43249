//! Cost per operation on an alert: `cargo run --release -p contracts --example codec_cost`.
//!
//! It prints times. With valgrind installed, `-- instructions` prints instructions instead, which do not depend on the machine's load: the
//! program runs itself under callgrind.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the program prints its result")]

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use contracts::finding::{Defaults, Finding, Parsed, parse};
use contracts::{Alert, Codec, Event, WriterError, WriterSchemas, codec, encode};
use domain::Timestamp;
use serde::de::IgnoredAny;

const OPERATIONS: [&str; 6] = [
    "validate",
    "encode",
    "decode and validate",
    "read the JSON without values",
    "parse and validate a finding",
    "hash the JSON",
];

const ROUNDS: u32 = 200_000;

/// Rounds under callgrind: the counts are exact.
const COUNTED_ROUNDS: u32 = 1_000;

struct EmbeddedSchema;

impl WriterSchemas for EmbeddedSchema {
    fn writer(&self, _id: u32) -> Result<Arc<apache_avro::Schema>, WriterError> {
        Ok(Arc::new(codec::schema::<Alert>().clone()))
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => OPERATIONS.into_iter().for_each(|operation| {
            let begun = Instant::now();
            run(operation, ROUNDS);
            println!("{operation:<28} {:>6} ns", begun.elapsed().as_nanos() / u128::from(ROUNDS));
        }),
        ["instructions"] => OPERATIONS.into_iter().for_each(print_instructions),
        [operation] => run(operation, COUNTED_ROUNDS),
        _ => eprintln!("usage: codec_cost [instructions]"),
    }
}

fn print_instructions(operation: &str) {
    let program = std::env::current_exe().expect("the path of this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=codec_cost::measure*"])
        .arg(program)
        .arg(operation)
        .output()
        .expect("valgrind is installed");
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report.lines().find_map(|line| line.split_once("Collected : ")?.1.parse().ok());
    let collected: u64 = collected.unwrap_or_else(|| panic!("no count in {report}"));
    println!("{operation:<28} {:>6} instructions", collected / u64::from(COUNTED_ROUNDS));
}

fn run(operation: &str, rounds: u32) {
    let finding = include_bytes!("../../../schemas/scanner.alert.raised/examples/volume_spike.json");
    let defaults = Defaults { now: Timestamp::from_micros(4_000_000_000_000_000), source: "example" };
    let mut named: serde_json::Value = serde_json::from_slice(finding).expect("an example is JSON");
    named["event"] = Alert::TOPIC.event().into();
    let json = named.to_string();
    let Ok(Parsed { finding: Finding::Alert(alert), .. }) = parse(json.as_bytes(), &defaults) else {
        panic!("the example is not an alert");
    };
    let (mut bytes, codec) = (Vec::new(), Codec::new());
    encode(&alert, 1, &mut bytes).expect("an example is small");
    match operation {
        "validate" => measure(rounds, || drop(black_box(alert.validate()))),
        "encode" => measure(rounds, || drop(black_box(encode(&alert, 1, &mut bytes)))),
        "decode and validate" => {
            measure(rounds, || drop(black_box(codec.decode::<Alert>(bytes.as_slice(), &EmbeddedSchema))));
        }
        "read the JSON without values" => {
            measure(rounds, || drop(black_box(serde_json::from_slice::<IgnoredAny>(json.as_bytes()))));
        }
        "parse and validate a finding" => {
            measure(rounds, || drop(black_box(parse(json.as_bytes(), &defaults))));
        }
        "hash the JSON" => measure(rounds, || {
            let mut hasher = DefaultHasher::new();
            json.hash(&mut hasher);
            black_box(hasher.finish());
        }),
        _ => panic!("unknown operation {operation}"),
    }
}

#[inline(never)]
fn measure(rounds: u32, mut work: impl FnMut()) {
    for _ in 0..rounds {
        work();
    }
}
