//! Clients of other parties in Python, which read the topics of the services.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Ended, Stack, python, run_to_end};

/// A year of bars takes a few seconds.
const LIMIT: Duration = Duration::from_secs(300);

/// Reads every topic with Confluent's client and its Avro deserialiser; `clients/read_all.py` documents the arguments. `None`
/// without a suitable Python, which is reported as a skip.
///
/// # Errors
/// It cannot be run.
pub fn read_all(stack: &Stack, arguments: &[&str]) -> io::Result<Option<Ended>> {
    let Some(python) = python() else { return Ok(None) };
    let mut command = Command::new(python);
    // No compiled files in the source tree.
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/read_all.py"));
    command.args(["--brokers", &stack.broker.address(), "--registry", &stack.registry.url()]).args(arguments);
    run_to_end("read-all", command, stack.folder(), LIMIT).map(Some)
}
