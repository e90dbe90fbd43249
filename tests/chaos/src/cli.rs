//! Command line arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::numbers::Numbers;
use crate::plan::COORDINATOR_KILLS;

/// Injects faults into Tapeline's services on real brokers and counts lost, doubled and reordered records
#[derive(Debug, Parser)]
#[command(name = "storm")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a storm.
    Run(RunArgs),
    /// Print the faults of a plan.
    Plan(RunArgs),
    /// Run the producer of a storm.
    #[command(hide = true)]
    Produce(ProduceArgs),
    /// Run the watcher of a storm.
    #[command(hide = true)]
    Watch {
        /// Bootstrap servers.
        #[arg(long)]
        brokers: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanName {
    /// One fault of each kind.
    Short,
    /// 32 restarts of every bridge, with one of the other faults between two rounds.
    Long,
    /// 100 kills of the brokers that coordinate groups and transactions.
    Coordinators,
}

#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Plan of the faults.
    #[arg(long, value_enum)]
    pub plan: PlanName,
    /// Seed of the order, the targets and the pauses of the faults.
    #[arg(long)]
    pub seed: u64,
    /// Instances of the bridge (default: 8 in the long plan, otherwise 2). The feature service has a quarter of them in the long plan,
    /// otherwise as many.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=64))]
    pub instances: Option<u32>,
    /// Partitions of every topic (default: 64 in the long plan, otherwise 12).
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1024))]
    pub partitions: Option<i32>,
    /// Numbered records of the input (default: 60,000 in the short plan, 1,000,000 in the long plan, 10,000 for each kill of a
    /// coordinator).
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub records: Option<u64>,
    /// Symbols that are proposed to the publisher, so that backfill fetches a year of their bars (default: 300 in the short plan, 2,000 in the
    /// long plan). With 0, publisher and backfill do not run.
    #[arg(long, value_parser = clap::value_parser!(u64).range(0..=100_000))]
    pub proposals: Option<u64>,
    /// Maximum number of faults, to shorten a run.
    #[arg(long)]
    pub faults: Option<usize>,
    /// Library that changes the clock of a process; without it the plan has no clock jumps.
    #[arg(long)]
    pub clock: Option<PathBuf>,
    /// Keep the folder with logs and data after a successful run.
    #[arg(long)]
    pub keep: bool,
}

#[derive(Debug, Clone, Args)]
pub struct ProduceArgs {
    /// Bootstrap servers.
    #[arg(long)]
    pub brokers: String,
    /// Schema id of alerts in the registry.
    #[arg(long)]
    pub schema_id: u32,
    /// Partitions of the topic.
    #[arg(long)]
    pub partitions: i32,
    /// Count of numbers.
    #[arg(long)]
    pub count: u64,
    /// Count of symbols.
    #[arg(long)]
    pub symbols: u64,
    /// Event time of number 0, microseconds since 1970-01-01 UTC.
    #[arg(long)]
    pub base_micros: i64,
    /// Seed of the run.
    #[arg(long)]
    pub seed: u64,
    /// First slot to send.
    #[arg(long)]
    pub from: u64,
    /// Records per second until a line of standard input sets another pace.
    #[arg(long)]
    pub pace: f64,
}

// === impl ProduceArgs ===

impl ProduceArgs {
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let Self { count, symbols, base_micros, seed, .. } = *self;
        Numbers { count, symbols, base_micros, seed }
    }
}

// === impl RunArgs ===

impl RunArgs {
    /// Returns the number of bridge instances.
    #[must_use]
    pub fn bridges(&self) -> u32 {
        self.instances.unwrap_or(if self.plan == PlanName::Long { 8 } else { 2 })
    }

    /// Returns the number of feature instances.
    #[must_use]
    pub fn features(&self) -> u32 {
        match self.plan {
            PlanName::Short | PlanName::Coordinators => self.bridges(),
            PlanName::Long => (self.bridges() / 4).max(2),
        }
    }

    /// Returns the number of symbols that are proposed.
    #[must_use]
    pub fn proposals(&self) -> u64 {
        self.proposals.unwrap_or(match self.plan {
            PlanName::Short => 300,
            PlanName::Long => 2_000,
            PlanName::Coordinators => 0,
        })
    }

    /// Returns the number of publisher instances.
    #[must_use]
    pub fn publishers(&self) -> u32 {
        u32::from(self.proposals() > 0)
    }

    /// Returns the number of backfill instances.
    #[must_use]
    pub fn backfills(&self) -> u32 {
        2 * self.publishers()
    }

    /// Returns the number of partitions of every topic.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        self.partitions.unwrap_or(if self.plan == PlanName::Long { 64 } else { 12 })
    }

    /// Returns the count of numbers in the input.
    #[must_use]
    pub fn records(&self) -> u64 {
        let kills =
            u64::try_from(self.faults.unwrap_or(usize::MAX).min(COORDINATOR_KILLS)).unwrap_or(1).max(1);
        self.records.unwrap_or(match self.plan {
            PlanName::Short => 60_000,
            PlanName::Long => 1_000_000,
            PlanName::Coordinators => 10_000 * kills,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
