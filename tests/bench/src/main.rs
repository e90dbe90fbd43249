//! What delivery costs, on one real broker, beside librdkafka alone.
//!
//! `tests/bench/run engine` starts the broker and calls this once a variant; each call consumes a given number of alerts from the
//! start of the topic, in a group of its own, passes them on, and prints one line of JSON: records, CPU time, wall time, memory.
//! It deliberately measures nothing itself but the process that it is: instructions are counted by callgrind around it.
//!
//! Start at [`Variant`].

mod bridge;
mod fill;
mod noop;
mod passthrough;
mod soak;
mod stage;
mod usage;

use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::stage::How;

/// Anything that ends a measurement.
type Failed = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
struct Args {
    /// Bootstrap servers of a broker made for this.
    #[arg(long)]
    brokers: String,
    #[command(subcommand)]
    variant: Variant,
}

/// One thing to be measured, or what has to be there before.
#[derive(Subcommand)]
enum Variant {
    /// Creates the topics, and produces numbered alerts of which the second half repeats the first.
    Fill {
        /// How many.
        #[arg(long)]
        records: u64,
    },
    /// librdkafka alone: consume, produce the same bytes, commit now and then.
    Passthrough {
        /// How many records to pass on.
        #[arg(long)]
        records: u64,
    },
    /// The engine with a stage that passes the bytes on.
    Noop(How),
    /// The bridge's stage: Avro in and out, windows, batches.
    Bridge(How),
    /// The bridge under a steady stream until the time is over; a line of memory each five seconds.
    Soak {
        /// How long.
        #[arg(long)]
        minutes: u64,
        /// Alerts a second; 0 leaves the input alone, to see memory at rest.
        #[arg(long)]
        rate: u64,
    },
}

fn main() -> Result<(), Failed> {
    let Args { brokers, variant } = Args::parse();
    match variant {
        Variant::Fill { records } => fill::fill(&brokers, records),
        Variant::Passthrough { records } => passthrough::run(&brokers, records),
        Variant::Noop(how) => noop::run(&brokers, how),
        Variant::Bridge(how) => bridge::run(&brokers, how),
        Variant::Soak { minutes, rate } => soak::run(&brokers, Duration::from_secs(60 * minutes), rate),
    }
}
