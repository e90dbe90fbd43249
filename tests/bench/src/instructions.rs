//! Instructions an event of the engine with a stage, compared with committed numbers.
//!
//! The program runs itself under callgrind with two numbers of records. The slope between both is the cost of an event: what starting
//! costs cancels out. All records, their order and the time are the same in every run, so a count differs by the seeds of hash tables
//! and by the C library's choice of functions for the processor, far less than [`TOLERANCE_PERCENT`].

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::in_memory::InMemoryStage;

/// Records of the short and of the long run: two and six alerts of each symbol.
const LENGTHS: [u64; 2] = [20_000, 60_000];

/// The permitted difference to the committed number.
const TOLERANCE_PERCENT: f64 = 5.0;

/// Options of jemalloc without work that depends on time: returning unused memory costs the no-op stage up to a tenth.
const ALLOCATOR: &str = "background_thread:false,dirty_decay_ms:-1,muzzy_decay_ms:-1";

/// Prints the instructions of each stage next to the committed number.
///
/// # Errors
/// A number differs by more than the tolerance, or cannot be counted.
pub(crate) fn compare(committed: &Path) -> Result<(), Error> {
    let text = fs::read_to_string(committed)
        .map_err(|error| format!("failed to read {}: {error}", committed.display()))?;
    let mut outside = Vec::new();
    for stage in InMemoryStage::ALL {
        let expected = committed_number(&text, stage)?;
        let counted = slope(count(stage, LENGTHS[0])?, count(stage, LENGTHS[1])?);
        let percent = difference_percent(counted, expected);
        let name = stage.name();
        println!("{name:<8}{counted:8.0} instructions an event, committed {expected:.0}: {percent:+.1} %");
        if percent.abs() > TOLERANCE_PERCENT {
            outside.push(name);
        }
    }
    if outside.is_empty() {
        return Ok(());
    }
    let (stages, path) = (outside.join(", "), committed.display());
    let advice = format!("find the cause, or commit the new number in {path}");
    Err(format!("instructions of {stages} differ by more than {TOLERANCE_PERCENT} %: {advice}").into())
}

fn slope(few: u64, many: u64) -> f64 {
    let thousands = |count: u64| u32::try_from(count / 1_000).map_or(f64::MAX, f64::from);
    (thousands(many) - thousands(few)) / thousands(LENGTHS[1] - LENGTHS[0])
}

fn difference_percent(counted: f64, expected: f64) -> f64 {
    (counted / expected - 1.0) * 100.0
}

/// Returns the number of a stage in lines of `stage<TAB>number`; lines with `#` are comments.
fn committed_number(text: &str, stage: InMemoryStage) -> Result<f64, Error> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let number = lines.filter_map(|line| line.split_once('\t')).find(|(name, _)| *name == stage.name());
    let (_, number) = number.ok_or_else(|| format!("no committed number for {}", stage.name()))?;
    Ok(number.trim().parse()?)
}

/// Counts the instructions of a run with callgrind, without those of encoding the alerts.
fn count(stage: InMemoryStage, records: u64) -> Result<u64, Error> {
    let output = Command::new("valgrind")
        .env("MALLOC_CONF", ALLOCATOR)
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=bench::in_memory::deliver*")
        .arg(std::env::current_exe()?)
        .args(["in-memory", "--stage", stage.name(), "--records", &records.to_string()])
        .output()
        .map_err(|error| format!("failed to start valgrind: {error}"))?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("run of {} ended with {}: {report}", stage.name(), output.status).into());
    }
    collected(&report).ok_or_else(|| format!("no count in the report of callgrind: {report}").into())
}

/// Returns the count in a report of callgrind. `None` without one, and if nothing was counted.
fn collected(report: &str) -> Option<u64> {
    let count = report.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    count.filter(|count| *count > 0)
}

#[cfg(test)]
mod tests;
