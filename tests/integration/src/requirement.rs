//! What happens when a machine has no real parts: a skip that is seen, or a failure where they are required.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;

use crate::parts::script;

/// Set to `1` where a skipped test counts as a failure, as in CI.
const REQUIRED: &str = "TAPELINE_REQUIRE_REAL_PARTS";

/// Looks for the broker, the registry and a Java. When one is missing, says `skipped: needs X` in a line of its own
/// and returns true: the test should return.
///
/// # Panics
/// When one is missing and `TAPELINE_REQUIRE_REAL_PARTS=1`.
#[must_use]
pub fn real_parts_missing() -> bool {
    let lack = match Command::new(script("fetch")).arg("--check").output() {
        Ok(output) if output.status.success() => return false,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(cause) => format!("bash to run real-parts/fetch: {cause}"),
    };
    assert!(!required(), "{REQUIRED}=1, but a real part is missing: {lack}");
    // Straight to the stream: the print macros would be captured, and a skip must be seen.
    writeln!(io::stderr(), "skipped: needs real parts ({lack})").ok();
    true
}

/// Names a Python that has what `clients/requirements.txt` lists.
const PYTHON: &str = "TAPELINE_PYTHON";

/// That Python; where there is none, says `skipped: needs X` in a line of its own: the test should return.
///
/// # Panics
/// When there is none and `TAPELINE_REQUIRE_REAL_PARTS=1`.
#[must_use]
pub fn python() -> Option<PathBuf> {
    let lack = match variable(PYTHON).map(PathBuf::from) {
        None => format!("{PYTHON} is not set"),
        Some(path) => match Command::new(&path)
            .args(["-c", "import confluent_kafka.schema_registry.avro, fastavro"])
            .output()
        {
            Ok(output) if output.status.success() => return Some(path),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().replace('\n', " "),
            Err(cause) => format!("{}: {cause}", path.display()),
        },
    };
    assert!(!required(), "{REQUIRED}=1, but there is no python with clients/requirements.txt: {lack}");
    writeln!(io::stderr(), "skipped: needs a python with clients/requirements.txt ({lack})").ok();
    None
}

fn required() -> bool {
    variable(REQUIRED).is_some_and(|value| value == "1")
}

#[expect(clippy::disallowed_methods, reason = "a switch of the test run, not configuration of a service")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
