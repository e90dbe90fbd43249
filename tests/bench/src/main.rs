//! Cost of delivery on one real broker, compared with librdkafka alone, and of the engine without a broker.
//!
//! `tests/bench/run engine` starts the broker and runs this program once per variant and length. Each run consumes all alerts of the
//! topic in its own group, forwards them, commits, and prints one line of JSON: records, CPU time, wall time, memory. It measures only
//! its own process; callgrind counts its instructions from outside. The cost of an event is the slope between two lengths.
//!
//! Start at [`Variant`].
#![expect(clippy::print_stdout, reason = "the program prints its result")]

mod bars;
mod bridge;
mod driver;
mod error;
mod in_memory;
mod input;
mod instructions;
mod no_op;
mod passthrough;
mod resource_usage;
mod sender;
mod soak;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::driver::DriveArgs;
use crate::error::Error;
use crate::in_memory::InMemoryStage;
use crate::input::Input;

#[derive(Parser)]
struct Args {
    /// Bootstrap servers of a broker that is used for this only. Not needed for `in-memory` and `instructions`.
    #[arg(long)]
    brokers: Option<String>,
    #[command(subcommand)]
    variant: Variant,
}

/// The measured programs, and the preparation of their input.
#[derive(Subcommand)]
enum Variant {
    /// Create the topics and produce alerts.
    Fill {
        /// Symbols and event times of the alerts.
        #[arg(long)]
        input: Input,
        /// Number of the first alert, which is the count of alerts in the topic.
        #[arg(long)]
        from: u64,
        /// Count of alerts in the topic afterwards.
        #[arg(long)]
        to: u64,
    },
    /// Produce minute bars, in topics that exist.
    Bars {
        /// Count of bars.
        #[arg(long)]
        records: u64,
        /// Count of symbols.
        #[arg(long)]
        symbols: u64,
        /// The registry's id of the bar schema.
        #[arg(long)]
        schema_id: u32,
    },
    /// librdkafka alone: consume, produce the same bytes, commit once per second.
    Passthrough {
        /// Count of records to forward.
        #[arg(long)]
        records: u64,
    },
    /// The engine with a stage that forwards the bytes.
    Noop(DriveArgs),
    /// The bridge's stage: Avro in and out, windows, batches.
    Bridge(DriveArgs),
    /// The engine with a stage and alerts in memory, without a broker.
    InMemory {
        /// The stage.
        #[arg(long)]
        stage: InMemoryStage,
        /// Count of alerts.
        #[arg(long)]
        records: u64,
    },
    /// Compare the instructions an event, counted by callgrind, of the engine with each stage in memory with committed numbers.
    Instructions {
        /// The committed numbers.
        #[arg(long)]
        committed: PathBuf,
    },
    /// The bridge under a steady load; prints its memory every five seconds.
    Soak {
        /// Duration in minutes.
        #[arg(long)]
        minutes: u64,
        /// Alerts per second; 0 produces none, to measure memory at rest.
        #[arg(long)]
        rate: u64,
    },
}

fn main() -> Result<(), Error> {
    let Args { brokers, variant } = Args::parse();
    let brokers = || brokers.as_deref().ok_or("this command needs --brokers");
    match variant {
        Variant::Fill { input, from, to } => input::fill(brokers()?, input, from..to),
        Variant::Bars { records, symbols, schema_id } => bars::fill(brokers()?, records, symbols, schema_id),
        Variant::Passthrough { records } => passthrough::run(brokers()?, records),
        Variant::Noop(args) => no_op::run(brokers()?, args),
        Variant::Bridge(args) => bridge::run(brokers()?, args),
        Variant::InMemory { stage, records } => in_memory::run(stage, records),
        Variant::Instructions { committed } => instructions::compare(&committed),
        Variant::Soak { minutes, rate } => soak::run(brokers()?, Duration::from_secs(60 * minutes), rate),
    }
}
