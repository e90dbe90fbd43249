//! A memory control group with a limit, for the processes of a test.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where both versions are mounted by convention.
const V1: &str = "/sys/fs/cgroup/memory";
const V2: &str = "/sys/fs/cgroup";

/// A control group (v1, or v2 with the controller `memory`). It is removed on drop, if its processes have exited.
#[derive(Debug)]
pub struct MemoryGroup {
    folder: PathBuf,
    limit: &'static str,
    peak: &'static str,
}

impl MemoryGroup {
    /// Creates a group whose processes may use this many bytes in all.
    ///
    /// # Errors
    /// The system has no such groups, or the user may not create one.
    pub fn create(limit_bytes: u64) -> io::Result<Self> {
        let name = format!("tapeline-test-{}", std::process::id());
        let v1 = Path::new(V1);
        let (folder, limit, peak) = if v1.is_dir() {
            (v1.join(name), "memory.limit_in_bytes", "memory.max_usage_in_bytes")
        } else {
            (Path::new(V2).join(name), "memory.max", "memory.peak")
        };
        fs::create_dir(&folder)?;
        let group = Self { folder, limit, peak };
        group.set_limit(limit_bytes)?;
        // The kernel has it since 5.19.
        group.peak_bytes()?;
        Ok(group)
    }

    /// Changes the limit.
    ///
    /// # Errors
    /// The processes use more than this already.
    pub fn set_limit(&self, bytes: u64) -> io::Result<()> {
        fs::write(self.folder.join(self.limit), bytes.to_string())
    }

    /// Returns the file to which a process writes its id to join the group.
    #[must_use]
    pub fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// Returns the largest memory that its processes have used at once, with the files that the kernel cached for them.
    ///
    /// # Errors
    /// The kernel does not report it.
    pub fn peak_bytes(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.folder.join(self.peak))?;
        text.trim().parse().map_err(io::Error::other)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // Fails if a process is left.
        fs::remove_dir(&self.folder).ok();
    }
}
