//! Cost of delivery on one real broker, compared with librdkafka alone.
//!
//! `tests/bench/run engine` starts the broker and runs this program once per variant. Each run consumes a given number of alerts from
//! the start of the topic in its own group, forwards them, and prints one line of JSON: records, CPU time, wall time, memory. It
//! measures only its own process; callgrind counts its instructions from outside.
//!
//! Start at [`Variant`].
#![expect(clippy::print_stdout, reason = "the program prints its result")]

mod bars;
mod bridge;
mod driver;
mod error;
mod input;
mod no_op;
mod passthrough;
mod resource_usage;
mod sender;
mod soak;

use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::driver::DriveArgs;
use crate::error::Error;

#[derive(Parser)]
struct Args {
    /// Bootstrap servers of a broker that is used for this only.
    #[arg(long)]
    brokers: String,
    #[command(subcommand)]
    variant: Variant,
}

/// The measured programs, and the preparation of their input.
#[derive(Subcommand)]
enum Variant {
    /// Create the topics and produce numbered alerts, of which the second half repeats the first.
    Fill {
        /// Count of alerts.
        #[arg(long)]
        records: u64,
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
    match variant {
        Variant::Fill { records } => input::fill(&brokers, records),
        Variant::Bars { records, symbols, schema_id } => bars::fill(&brokers, records, symbols, schema_id),
        Variant::Passthrough { records } => passthrough::run(&brokers, records),
        Variant::Noop(args) => no_op::run(&brokers, args),
        Variant::Bridge(args) => bridge::run(&brokers, args),
        Variant::Soak { minutes, rate } => soak::run(&brokers, Duration::from_secs(60 * minutes), rate),
    }
}
