//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::numbers::Numbers;

/// Tapeline's services under faults, on real brokers: was anything lost, doubled or reordered?
#[derive(Debug, Parser)]
#[command(name = "storm")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a storm.
    Run(RunArgs),
    /// Print the faults of a plan.
    Plan(RunArgs),
    /// A storm's own producer.
    #[command(hide = true)]
    Produce(ProduceArgs),
    /// A storm's own watcher.
    #[command(hide = true)]
    Watch {
        /// Bootstrap servers.
        #[arg(long)]
        brokers: String,
    },
}

/// Which faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanName {
    /// One of each kind.
    Short,
    /// 32 restarts of every bridge, and the other kinds in between.
    Long,
}

/// A storm.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Which faults.
    #[arg(long, value_enum)]
    pub plan: PlanName,
    /// Decides about their order, targets and pauses.
    #[arg(long)]
    pub seed: u64,
    /// Instances of the bridge; of the feature service as many in the short plan, a quarter in the long one. By default 2 and 8.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=64))]
    pub instances: Option<u32>,
    /// Partitions of every topic. By default 12 and 64.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1024))]
    pub partitions: Option<i32>,
    /// Numbered records of the input. By default 60,000 and 1,000,000.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub records: Option<u64>,
    /// So many of the plan's faults at most, for a quick look.
    #[arg(long)]
    pub faults: Option<usize>,
    /// The library with which clocks are moved; without it they are left alone.
    #[arg(long)]
    pub clock: Option<PathBuf>,
    /// Keep the folder with logs and data also when all went well.
    #[arg(long)]
    pub keep: bool,
}

/// What the producer sends.
#[derive(Debug, Clone, Args)]
pub struct ProduceArgs {
    /// Bootstrap servers.
    #[arg(long)]
    pub brokers: String,
    /// The registry's id of the alert's schema.
    #[arg(long)]
    pub schema_id: u32,
    /// Partitions of the topic.
    #[arg(long)]
    pub partitions: i32,
    /// Numbers in all.
    #[arg(long)]
    pub count: u64,
    /// Symbols that they go round.
    #[arg(long)]
    pub symbols: u64,
    /// When number 0 occurred, microseconds since 1970-01-01 UTC.
    #[arg(long)]
    pub base_micros: i64,
    /// The run's seed.
    #[arg(long)]
    pub seed: u64,
    /// The first turn to send.
    #[arg(long)]
    pub from: u64,
    /// Records a second, until a line of standard input says otherwise.
    #[arg(long)]
    pub pace: f64,
}

// === impl ProduceArgs ===

impl ProduceArgs {
    /// The numbers.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let Self { count, symbols, base_micros, seed, .. } = *self;
        Numbers { count, symbols, base_micros, seed }
    }
}

// === impl RunArgs ===

impl RunArgs {
    /// Instances of the bridge.
    #[must_use]
    pub fn bridges(&self) -> u32 {
        self.instances.unwrap_or(if self.plan == PlanName::Short { 2 } else { 8 })
    }

    /// Instances of the feature service.
    #[must_use]
    pub fn features(&self) -> u32 {
        match self.plan {
            PlanName::Short => self.bridges(),
            PlanName::Long => (self.bridges() / 4).max(2),
        }
    }

    /// Partitions of every topic.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        self.partitions.unwrap_or(if self.plan == PlanName::Short { 12 } else { 64 })
    }

    /// Numbers of the input.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.unwrap_or(if self.plan == PlanName::Short { 60_000 } else { 1_000_000 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
