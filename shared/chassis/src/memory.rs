//! Memory limit and memory usage of the process.

use std::fs;

/// A limit at or above this value means unlimited: cgroup v1 reports a number near 2^63 without a limit.
const UNLIMITED_FROM: u64 = 1 << 60;

/// Returns the memory limit of the container in bytes, from its control group (v2, <https://docs.kernel.org/admin-guide/cgroup-v2.html>,
/// or v1). `None` if there is no limit.
#[must_use]
pub fn limit_bytes() -> Option<u64> {
    limit_of(
        read("/sys/fs/cgroup/memory.max").as_deref(),
        read("/sys/fs/cgroup/memory/memory.limit_in_bytes").as_deref(),
    )
}

/// Returns the bytes that the kernel can't reclaim: the resident anonymous memory of the process. Mapped and cached files count against
/// the limit too, but the kernel drops them before it kills a process. `None` if the system does not report it.
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

/// Parses `RssAnon` of <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html> (its unit is 1,024 bytes).
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
    fn cgroup_limits_of_both_versions_are_parsed() {
        assert_eq!(limit_of(Some("536870912\n"), None), Some(512 * MIB));
        assert_eq!(limit_of(Some("max\n"), Some("536870912")), None);
        assert_eq!(limit_of(None, Some("536870912\n")), Some(512 * MIB));
        assert_eq!(limit_of(None, Some("9223372036854771712")), None);
        assert_eq!(limit_of(None, None), None);
    }

    #[test]
    fn used_memory_is_resident_anonymous_memory() {
        assert_eq!(used_of("VmRSS:\t  9000 kB\nRssAnon:\t    2048 kB\nRssFile:\t 1 kB\n"), Some(2 * MIB));
        assert_eq!(used_of("VmRSS:\t  9000 kB\n"), None);
        assert!(used_bytes().is_some_and(|bytes| bytes > 0));
    }
}
