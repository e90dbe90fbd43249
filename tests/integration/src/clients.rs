//! Clients that aren't ours: what we write is read by somebody else's code.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Ended, Stack, python, run_to_end};

/// A year of bars takes a few seconds.
const LIMIT: Duration = Duration::from_secs(300);

/// Reads every topic with Confluent's client and its Avro deserialiser (`clients/read_all.py`, which says what it takes). None where
/// there is no Python for it, which is said.
///
/// # Errors
/// When it can't be run.
pub fn read_all(stack: &Stack, arguments: &[&str]) -> io::Result<Option<Ended>> {
    let Some(python) = python() else { return Ok(None) };
    let mut command = Command::new(python);
    // Its compiled files don't belong into the tree.
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/read_all.py"));
    command.args(["--brokers", &stack.broker.address(), "--registry", &stack.registry.url()]).args(arguments);
    run_to_end("read-all", command, stack.folder(), LIMIT).map(Some)
}
