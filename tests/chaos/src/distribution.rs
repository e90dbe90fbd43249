//! Distribution of durations, and lines in the logs of instances.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

/// The log line of an abandoned client.
const ABANDONED: &str = "client abandoned";

/// Returns `min …, p50 …, p90 …, max … of N`, in seconds. `None` without durations.
#[must_use]
pub fn describe(mut durations: Vec<Duration>) -> Option<String> {
    durations.sort_unstable();
    let last = durations.len().checked_sub(1)?;
    let at = |percent: usize| durations[(last * percent).div_ceil(100)].as_secs_f64();
    let count = durations.len();
    Some(format!(
        "min {:.1} s, p50 {:.1} s, p90 {:.1} s, max {:.1} s of {count}",
        at(0),
        at(50),
        at(90),
        at(100)
    ))
}

/// Returns the number of clients that the instances with their logs below `folder` have abandoned.
///
/// # Errors
/// A log cannot be read.
pub fn abandoned_clients(folder: &Path, instances: &[String]) -> io::Result<usize> {
    let mut count = 0;
    for instance in instances {
        for entry in fs::read_dir(folder.join(instance))? {
            let path = entry?.path();
            if path.is_file() {
                count += String::from_utf8_lossy(&fs::read(path)?).matches(ABANDONED).count();
            }
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_durations_of_the_list() {
        assert_eq!(describe(Vec::new()), None);
        let durations = (1..=11).rev().map(Duration::from_secs).collect();
        let expected = "min 1.0 s, p50 6.0 s, p90 10.0 s, max 11.0 s of 11";
        assert_eq!(describe(durations).unwrap(), expected);
    }

    #[test]
    fn abandoned_clients_are_counted_in_the_logs_of_instances() {
        let folder = tempfile::tempdir().unwrap();
        for (instance, log) in [("feature-0", "x\nERROR client abandoned: a call\n"), ("feature-1", "x\n")] {
            fs::create_dir(folder.path().join(instance)).unwrap();
            fs::write(folder.path().join(instance).join("log"), log).unwrap();
        }
        let instances = ["feature-0", "feature-1"].map(ToOwned::to_owned);
        assert_eq!(abandoned_clients(folder.path(), &instances).unwrap(), 1);
    }
}
