//! Resource usage of this process.

use std::time::{Duration, Instant};

/// The start of a measurement.
pub(crate) struct Usage {
    begun: Instant,
    cpu: Duration,
}

impl Usage {
    /// Starts a measurement.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), cpu: cpu() }
    }

    /// Prints one line of JSON with the usage since the start for this number of records, of which `passed` were not dropped.
    pub(crate) fn report(&self, name: &str, records: u64, passed: u64) {
        let (wall, cpu) = (self.begun.elapsed(), cpu().saturating_sub(self.cpu));
        let line = serde_json::json!({
            "name": name,
            "records": records,
            "passed": passed,
            "cpu_us": micros(cpu),
            "wall_us": micros(wall),
            "peak_kib": peak_kib(),
        });
        println!("{line}");
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Returns the CPU time of all threads, in user and kernel.
#[allow(unsafe_code)]
fn cpu() -> Duration {
    // SAFETY: the call fills the struct, for which all zeros are valid.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let of = |time: libc::timeval| {
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
            + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
    };
    of(usage.ru_utime) + of(usage.ru_stime)
}

/// Returns the resident memory in KiB, as Linux reports it; 0 on other systems.
pub(crate) fn resident_kib() -> u64 {
    status_kib("VmRSS:")
}

/// Returns the largest resident memory since the start of the process in KiB, as Linux reports it; 0 on other systems.
fn peak_kib() -> u64 {
    status_kib("VmHWM:")
}

fn status_kib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()).and_then(|text| text.parse().ok()).unwrap_or(0)
}
