//! The requirements of tests. A missing one results in a visible skip, or in a failure if it is mandatory.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;

use crate::memory_group::MemoryGroup;
use crate::real_parts::script;

/// `1` turns a skipped test into a failure, as in CI.
const REQUIRED: &str = "TAPELINE_REQUIRE_REAL_PARTS";

/// Checks for the broker, the registry and Java. If one is missing, prints a line `skipped: needs X` and returns true: the test
/// should return.
///
/// # Panics
/// One is missing and `TAPELINE_REQUIRE_REAL_PARTS=1`.
#[must_use]
pub fn real_parts_missing() -> bool {
    let missing = match Command::new(script("fetch")).arg("--check").output() {
        Ok(output) if output.status.success() => return false,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(cause) => format!("bash to run real-parts/fetch: {cause}"),
    };
    assert!(!required(), "{REQUIRED}=1, but a real part is missing: {missing}");
    // Not by a print macro, whose output would be captured: a skip must be visible.
    writeln!(io::stderr(), "skipped: needs real parts ({missing})").ok();
    true
}

/// Checks for a PostgreSQL server. If there is none, prints a line `skipped: needs X` and returns true: the test should return.
///
/// # Panics
/// There is none and `TAPELINE_REQUIRE_REAL_PARTS=1`.
#[must_use]
pub fn postgres_missing() -> bool {
    let missing = match Command::new(script("postgres")).arg("check").output() {
        Ok(output) if output.status.success() => return false,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(cause) => format!("bash to run real-parts/postgres: {cause}"),
    };
    assert!(!required(), "{REQUIRED}=1, but {missing}");
    writeln!(io::stderr(), "skipped: needs PostgreSQL ({missing})").ok();
    true
}

/// The path of a Python with the packages of `clients/requirements.txt`.
const PYTHON: &str = "TAPELINE_PYTHON";

/// Returns the path of that Python. If there is none, prints a line `skipped: needs X`: the test should return.
///
/// # Panics
/// There is none and `TAPELINE_REQUIRE_REAL_PARTS=1`.
#[must_use]
pub fn python() -> Option<PathBuf> {
    let missing = match variable(PYTHON).map(PathBuf::from) {
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
    assert!(!required(), "{REQUIRED}=1, but there is no python with clients/requirements.txt: {missing}");
    writeln!(io::stderr(), "skipped: needs a python with clients/requirements.txt ({missing})").ok();
    None
}

/// Creates a memory control group with this limit. If that is not possible, as without root or in a container, prints why and returns `None`:
/// the test should return. It is no failure even where real parts are mandatory, because it depends on the machine.
#[must_use]
pub fn memory_group(limit_bytes: u64) -> Option<MemoryGroup> {
    let created = MemoryGroup::create(limit_bytes);
    if let Err(cause) = &created {
        writeln!(io::stderr(), "not run: no memory control group can be created ({cause})").ok();
    }
    created.ok()
}

fn required() -> bool {
    variable(REQUIRED).is_some_and(|value| value == "1")
}

#[expect(clippy::disallowed_methods, reason = "a switch of the test run, not configuration of a service")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
