//! Arguments of `tapeline dead-letters`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use contracts::Topic;
use kafka_io::dead_letter::CLASSES;

use super::time_argument::TimeArgument;
use crate::cluster::ClusterArgs;

/// The default consumer group whose committed offsets are the progress of a replay.
pub const GROUP: &str = "tapeline.dead-letters.replay";

#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// Print a line for each dead letter, or the number of each class.
    #[command(after_help = "Examples:
  tapeline dead-letters list --since 2h --brokers 127.0.0.1:9092
  tapeline dead-letters list --service scanner-bridge --class bad_magic,truncated --json
  tapeline dead-letters list --counts")]
    List(ListArgs),
    /// Print one dead letter: headers, error, and the payload decoded or as bytes.
    #[command(after_help = "Example:
  tapeline dead-letters show --service scanner-bridge --partition 3 --offset 14 --save payload.bin")]
    Show(ShowArgs),
    /// Send dead letters back to the topics and partitions of the original records.
    #[command(
        after_help = "Each dead letter is sent once, in order. The consumer group stores the progress: the same command continues where an
earlier one ended. A replay that is killed repeats at most what it sent in its last tenth of a second. Dead letters that the
filters exclude are skipped permanently under this group, so use one set of filters for each group. A dead letter named by
--partition and --offset is sent each time; no group is used.

Examples:
  tapeline dead-letters replay --dry-run
  tapeline dead-letters replay --class unknown_schema --since 2026-11-24 --group replay-of-monday --rate 500
  tapeline dead-letters replay --service scanner-bridge --partition 3 --offset 14 --payload-file corrected.bin"
    )]
    Replay(DeadLetterReplayArgs),
}

/// Which dead letters. A dead letter must match all filters.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    /// Of these services: publisher, scanner-bridge, feature, backfill [default: all].
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = topic_of_service)]
    pub service: Vec<Topic>,
    /// Of these error classes.
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',', value_parser = known_class)]
    pub class: Vec<String>,
    /// Written at or after this time: 2026-11-24T10:00:00Z, 2026-11-24, or an age such as 90s, 30m, 2h, 7d.
    #[arg(long, value_name = "TIME", value_parser = TimeArgument::parse)]
    pub since: Option<TimeArgument>,
    /// Written before this time.
    #[arg(long, value_name = "TIME", value_parser = TimeArgument::parse)]
    pub until: Option<TimeArgument>,
    /// With this key.
    #[arg(long)]
    pub key: Option<String>,
    /// With an original record of this topic or event, for example `scanner.alert.raised`.
    #[arg(long, value_name = "EVENT", value_parser = topic_of_event)]
    pub topic: Option<Topic>,
    /// In this partition of the dead-letter topic.
    #[arg(long)]
    pub partition: Option<i32>,
    /// At this offset; requires one --service and --partition.
    #[arg(long, requires_all = ["partition", "service"])]
    pub offset: Option<i64>,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
    /// Print the number of dead letters of each class and topic.
    #[arg(long)]
    pub counts: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Bytes of an undecodable payload to print.
    #[arg(long, value_name = "N", default_value_t = 1_024)]
    pub bytes: usize,
    /// Write the payload to FILE unchanged, to correct it.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

#[derive(Debug, Args)]
pub struct DeadLetterReplayArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Print what would be sent, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Consumer group that stores the progress; use one for each set of filters.
    #[arg(long, default_value = GROUP)]
    pub group: String,
    /// Withhold records that were dead-lettered this often or more.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub max_generation: u32,
    /// Maximum records a second.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// Send the bytes of FILE instead of the payload; requires --offset.
    #[arg(long, value_name = "FILE", requires = "offset")]
    pub payload_file: Option<PathBuf>,
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// A name that is no service with dead letters, no event or topic, or no class.
#[derive(Debug, thiserror::Error)]
enum UnknownName {
    #[error("unknown service: expected one of {}", known_services())]
    Service,
    #[error("unknown event or topic")]
    Event,
    #[error("unknown class: expected one of {}", CLASSES.join(", "))]
    Class,
}

/// Returns the dead-letter topics.
pub(super) fn dead_letter_topics() -> impl Iterator<Item = Topic> {
    Topic::ALL.iter().copied().filter(|topic| topic.is_dead_letter())
}

/// Returns the service of a dead-letter topic.
pub(super) fn service_of(topic: Topic) -> &'static str {
    topic.name().trim_end_matches(".dead-letter")
}

fn known_services() -> String {
    dead_letter_topics().map(service_of).collect::<Vec<_>>().join(", ")
}

fn topic_of_service(name: &str) -> Result<Topic, UnknownName> {
    dead_letter_topics().find(|topic| service_of(*topic) == name).ok_or(UnknownName::Service)
}

fn known_class(name: &str) -> Result<String, UnknownName> {
    CLASSES.contains(&name).then(|| name.to_owned()).ok_or(UnknownName::Class)
}

fn topic_of_event(event: &str) -> Result<Topic, UnknownName> {
    Topic::from_event(event).or_else(|| Topic::from_name(event)).ok_or(UnknownName::Event)
}
