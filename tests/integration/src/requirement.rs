//! What happens when a machine has no real parts: a skip that is seen, or a failure where they are required.

use std::io::{self, Write};
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

#[expect(clippy::disallowed_methods, reason = "a switch of the test run, not configuration of a service")]
fn required() -> bool {
    std::env::var(REQUIRED).is_ok_and(|value| value == "1")
}
