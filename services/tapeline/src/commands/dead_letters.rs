//! `tapeline dead-letters`: what the services gave up on, looked at and sent back.
//!
//! `letter.rs` is what a letter says, `filter.rs` which letters are meant, `letters.rs` reads them; `plan.rs` decides what a replay
//! does with one, `replay.rs` does it.

#[path = "dead_letters/args.rs"]
pub mod args;
#[path = "dead_letters/filter.rs"]
pub mod filter;
#[path = "dead_letters/dead_letter.rs"]
pub mod letter;
#[path = "dead_letters/reader.rs"]
pub mod letters;
#[path = "dead_letters/list.rs"]
pub mod list;
#[path = "dead_letters/rate_limiter.rs"]
mod pace;
#[path = "dead_letters/replay_plan.rs"]
pub mod plan;
#[path = "dead_letters/replay_progress.rs"]
mod progress;
#[path = "dead_letters/replay.rs"]
pub mod replay;
#[path = "dead_letters/show.rs"]
pub mod show;
#[path = "dead_letters/time_argument.rs"]
pub mod when;

use chassis::{Clock, SystemClock};

use crate::cluster;
use crate::exit::Failure;
use args::DeadLettersCommand;

/// Does what is asked.
///
/// # Errors
/// As each command says.
pub async fn run(command: DeadLettersCommand) -> Result<(), Failure> {
    match command {
        DeadLettersCommand::List(args) => {
            let kafka = cluster::kafka(&args.cluster)?;
            tokio::task::block_in_place(|| list::run(&args, &kafka, &mut std::io::stdout().lock()))
        }
        DeadLettersCommand::Show(args) => {
            let kafka = cluster::kafka(&args.cluster)?;
            let registry = cluster::registry(&args.cluster)?;
            print!("{}", tokio::task::block_in_place(|| show::run(&args, &kafka, &registry))?);
            Ok(())
        }
        DeadLettersCommand::Replay(args) => replay::run(&args).await,
    }
}

fn now_ms() -> i64 {
    SystemClock::new().wall_micros().div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::letter::Letter;
    use contracts::Topic;
    use kafka_io::OwnedRecord;

    /// A minute after [`letter`]'s was written.
    pub(super) const NOW_MS: i64 = 1_720_641_660_000;

    /// The letter of an alert whose first byte is 9, with a change.
    pub(super) fn letter(change: impl FnOnce(&mut OwnedRecord)) -> Letter {
        let headers = [
            ("tapeline.topic", "scanner.alert.raised.v1"),
            ("mine", "kept"),
            ("tapeline.partition", "3"),
            ("tapeline.offset", "99"),
            ("tapeline.timestamp", "1720641500000"),
            ("tapeline.error-class", "bad_magic"),
            ("tapeline.error", "first byte is 9, not 0"),
            ("tapeline.attempts", "1"),
            ("tapeline.service", "scanner-bridge"),
            ("tapeline.epoch", "2"),
            ("tapeline.generation", "1"),
        ];
        let mut record = OwnedRecord {
            topic: Topic::ScannerBridgeDeadLetter,
            partition: 3,
            offset: 14,
            timestamp_ms: 1_720_641_600_000,
            key: Some(b"AAPL".to_vec()),
            payload: Some(vec![9, 255]),
            headers: headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec(),
        };
        change(&mut record);
        Letter::new(record)
    }
}
