//! What `tapeline dead-letters` can be asked.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use contracts::Topic;

use super::when::When;
use crate::cli::ClusterArgs;

/// The group under which a replay remembers how far it is.
pub const GROUP: &str = "tapeline.dead-letters.replay";

/// `tapeline dead-letters …`
#[derive(Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// One line a letter, or how many there are of each class.
    #[command(after_help = "Examples:
  tapeline dead-letters list --since 2h --brokers 127.0.0.1:9092
  tapeline dead-letters list --service scanner-bridge --class bad_magic,truncated --json
  tapeline dead-letters list --counts")]
    List(ListArgs),
    /// Everything of one letter: headers, error, and the payload decoded or as bytes.
    #[command(after_help = "Example:
  tapeline dead-letters show --service scanner-bridge --partition 3 --offset 14 --save payload.bin")]
    Show(ShowArgs),
    /// Send letters back to the topic and partition that they came from.
    #[command(
        after_help = "Letters go out once each, in their order, and the group remembers how far the replay is: the same command
goes on where an earlier one ended. A replay that is killed repeats at most what it sent in its last tenth of a second. Letters
that the filters leave out are passed over for good under this group, so a group takes one set of filters only. A letter
named by --partition and --offset is sent whenever it is asked for; no group is used.

Examples:
  tapeline dead-letters replay --dry-run
  tapeline dead-letters replay --class unknown_schema --since 2026-11-24 --group replay-of-monday --rate 500
  tapeline dead-letters replay --service scanner-bridge --partition 3 --offset 14 --payload-file mended.bin"
    )]
    Replay(ReplayArgs),
}

/// Which letters.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArgs {
    /// Letters of these services: publisher, scanner-bridge, feature, backfill. All of them when not given.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = topic_of_service)]
    pub service: Vec<Topic>,
    /// Letters of these error classes.
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',')]
    pub class: Vec<String>,
    /// Letters from this time on: 2026-11-24T10:00:00Z, 2026-11-24, or 90s, 30m, 2h, 7d ago.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub since: Option<When>,
    /// Letters before this time.
    #[arg(long, value_name = "TIME", value_parser = When::parse)]
    pub until: Option<When>,
    /// Letters with this key.
    #[arg(long)]
    pub key: Option<String>,
    /// Letters of records of this topic or event, as in `scanner.alert.raised`.
    #[arg(long, value_name = "EVENT", value_parser = topic_of_event)]
    pub topic: Option<Topic>,
    /// Letters in this partition of the dead-letter topic.
    #[arg(long)]
    pub partition: Option<i32>,
    /// The letter at this offset; one service and the partition are needed with it.
    #[arg(long, requires_all = ["partition", "service"])]
    pub offset: Option<i64>,
}

/// `tapeline dead-letters list`
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which letters.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// A JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// How many there are of each class and topic, instead of the letters.
    #[arg(long)]
    pub counts: bool,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// `tapeline dead-letters show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Which letter: one service, partition and offset.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How many bytes of a payload that can't be decoded are shown.
    #[arg(long, value_name = "N", default_value_t = 1_024)]
    pub bytes: usize,
    /// Write the payload to FILE, byte for byte: to mend it.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// `tapeline dead-letters replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Which letters.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Say what would be sent, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// The consumer group that remembers how far the replay is; one set of filters each.
    #[arg(long, default_value = GROUP)]
    pub group: String,
    /// Letters that died this often or more stay where they are.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub max_generation: u32,
    /// Records a second at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// Send the bytes of FILE instead of the payload of the one letter that --offset names.
    #[arg(long, value_name = "FILE", requires = "offset")]
    pub payload_file: Option<PathBuf>,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// The dead-letter topics.
pub(super) fn dead_letter_topics() -> impl Iterator<Item = Topic> {
    Topic::ALL.iter().copied().filter(|topic| topic.is_dead_letter())
}

/// Whose letters a dead-letter topic holds.
pub(super) fn service_of(topic: Topic) -> &'static str {
    topic.name().trim_end_matches(".dead-letter")
}

fn topic_of_service(name: &str) -> Result<Topic, String> {
    dead_letter_topics().find(|topic| service_of(*topic) == name).ok_or_else(|| {
        let known: Vec<&str> = dead_letter_topics().map(service_of).collect();
        format!("no service of that name has dead letters; there are {}", known.join(", "))
    })
}

fn topic_of_event(event: &str) -> Result<Topic, String> {
    Topic::from_event(event)
        .or_else(|| Topic::from_name(event))
        .ok_or_else(|| "no event or topic is called that".to_owned())
}
