//! What the process may use of memory, and what it uses.

use std::fs;

/// A control group's count at or above this is none: v1 says a number near 2^63 where nothing is limited.
const UNLIMITED_FROM: u64 = 1 << 60;

/// The container's limit in bytes, as its control group says (<https://docs.kernel.org/admin-guide/cgroup-v2.html>, and the older
/// v1); `None` without one.
#[must_use]
pub fn limit_bytes() -> Option<u64> {
    limit_of(
        read("/sys/fs/cgroup/memory.max").as_deref(),
        read("/sys/fs/cgroup/memory/memory.limit_in_bytes").as_deref(),
    )
}

/// Bytes of the process that the kernel can't take back: its resident anonymous memory. Files that are mapped or cached count
/// against the limit as well, but are dropped before anybody is killed. `None` where the system doesn't say.
#[must_use]
pub fn used_bytes() -> Option<u64> {
    used_of(&read("/proc/self/status")?)
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn limit_of(v2: Option<&str>, v1: Option<&str>) -> Option<u64> {
    let limit: u64 = v2.or(v1)?.trim().parse().ok()?;
    (limit < UNLIMITED_FROM).then_some(limit)
}

/// `RssAnon` of <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>, which counts in units of 1,024 bytes.
fn used_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn both_forms_of_a_limit_are_read_and_none_is_none() {
        assert_eq!(limit_of(Some("536870912\n"), None), Some(512 * MIB));
        assert_eq!(limit_of(Some("max\n"), Some("536870912")), None);
        assert_eq!(limit_of(None, Some("536870912\n")), Some(512 * MIB));
        assert_eq!(limit_of(None, Some("9223372036854771712")), None);
        assert_eq!(limit_of(None, None), None);
    }

    #[test]
    fn what_is_used_is_what_cannot_be_taken_back() {
        assert_eq!(used_of("VmRSS:\t  9000 kB\nRssAnon:\t    2048 kB\nRssFile:\t 1 kB\n"), Some(2 * MIB));
        assert_eq!(used_of("VmRSS:\t  9000 kB\n"), None);
        assert!(used_bytes().is_some_and(|bytes| bytes > 0));
    }
}
