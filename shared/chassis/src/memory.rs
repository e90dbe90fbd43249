//! Memory limit and memory usage of the process.

use std::fs;
use std::path::Path;

/// A limit at or above this value means unlimited: cgroup v1 reports a number near 2^63 without a limit.
const UNLIMITED_FROM: u64 = 1 << 60;

/// Returns the memory limit of the process in bytes: the smallest of its control group and the groups around it (v2,
/// <https://docs.kernel.org/admin-guide/cgroup-v2.html>, or v1). `None` if there is no limit.
#[must_use]
pub fn limit_bytes() -> Option<u64> {
    limit_below(Path::new("/sys/fs/cgroup"), &read(Path::new("/proc/self/cgroup")).unwrap_or_default())
}

/// Returns the bytes that the kernel can't reclaim: the resident anonymous memory of the process. Mapped and cached files count against
/// the limit too, but the kernel drops them before it kills a process. `None` if the system does not report it.
#[must_use]
pub fn used_bytes() -> Option<u64> {
    used_of(&read(Path::new("/proc/self/status"))?)
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Returns the smallest limit below the mount point of the control groups. `groups` has the lines of
/// <https://man7.org/linux/man-pages/man7/cgroups.7.html>, section `/proc/pid/cgroup`. In a container, a group may be named as the host
/// names it while the mount point is the container's own group: so every folder up to the mount point counts.
fn limit_below(mount: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, group) = (fields.next()?, fields.next()?);
        let (root, file) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            v1 if v1.split(',').any(|controller| controller == "memory") => {
                (mount.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group = Path::new(group.trim_start_matches('/'));
        group.ancestors().filter_map(|group| parse_limit(&read(&root.join(group).join(file))?)).min()
    });
    limits.min()
}

fn parse_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < UNLIMITED_FROM)
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

    /// Creates these files below a mount point, with their contents.
    fn mount(files: &[(&str, &str)]) -> tempfile::TempDir {
        let mount = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = mount.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        mount
    }

    fn limit(files: &[(&str, &str)], groups: &str) -> Option<u64> {
        limit_below(mount(files).path(), groups)
    }

    #[test]
    fn limit_of_a_v2_container_is_at_the_mount_point() {
        assert_eq!(limit(&[("memory.max", "536870912\n")], "0::/\n"), Some(512 * MIB));
        // The name of the host, without a namespace.
        assert_eq!(limit(&[("memory.max", "536870912\n")], "0::/docker/a1b2\n"), Some(512 * MIB));
        assert_eq!(limit(&[("memory.max", "max\n")], "0::/\n"), None);
        assert_eq!(limit(&[], "0::/\n"), None);
    }

    #[test]
    fn limit_of_a_nested_group_is_the_smallest_on_its_path() {
        let files = [
            ("system.slice/memory.max", "268435456\n"),
            ("system.slice/tapeline.service/memory.max", "536870912\n"),
            ("system.slice/tapeline.service/deeper/memory.max", "max\n"),
            ("user.slice/memory.max", "1048576\n"),
        ];
        for group in
            ["system.slice/tapeline.service", "system.slice/tapeline.service/deeper", "system.slice/new"]
        {
            assert_eq!(limit(&files, &format!("0::/{group}\n")), Some(256 * MIB), "{group}");
        }
        assert_eq!(limit(&files, "0::/init.scope\n"), None);
    }

    #[test]
    fn limit_of_a_v1_group_is_that_of_its_memory_controller() {
        let groups = "12:cpu,cpuacct:/a\n5:memory:/docker/a1b2\n1:name=systemd:/a\n0::/a\n";
        let unlimited = ("memory/memory.limit_in_bytes", "9223372036854771712\n");
        let own = ("memory/docker/a1b2/memory.limit_in_bytes", "536870912\n");
        assert_eq!(limit(&[unlimited], groups), None);
        assert_eq!(limit(&[unlimited, own, ("cpu/a/memory.max", "1\n")], groups), Some(512 * MIB));
        assert_eq!(limit(&[("memory/memory.limit_in_bytes", "536870912\n")], groups), Some(512 * MIB));
    }

    #[test]
    fn used_memory_is_resident_anonymous_memory() {
        assert_eq!(used_of("VmRSS:\t  9000 kB\nRssAnon:\t    2048 kB\nRssFile:\t 1 kB\n"), Some(2 * MIB));
        assert_eq!(used_of("VmRSS:\t  9000 kB\n"), None);
        assert!(used_bytes().is_some_and(|bytes| bytes > 0));
    }
}
