//! The memory of this process.

use std::{fs, io};

/// Returns a size of `/proc/self/status` in bytes, such as `VmHWM`.
///
/// # Errors
/// The system has no such line.
pub fn status_bytes(name: &str) -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let size = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().strip_suffix(" kB"));
    let kib: Option<u64> = size.and_then(|kib| kib.parse().ok());
    kib.map(|kib| kib * 1_024).ok_or_else(|| io::Error::other(format!("no {name}")))
}
