//! What this process has used.

use std::time::{Duration, Instant};

/// Since when something is measured.
pub(crate) struct Usage {
    begun: Instant,
    cpu: Duration,
}

impl Usage {
    /// From now on.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), cpu: cpu() }
    }

    /// Prints one line of JSON about what was used for so many records since.
    pub(crate) fn tell(&self, name: &str, records: u64) {
        let (wall, cpu) = (self.begun.elapsed(), cpu().saturating_sub(self.cpu));
        let line = serde_json::json!({
            "name": name,
            "records": records,
            "cpu_us": micros(cpu),
            "wall_us": micros(wall),
            "resident_kib": resident_kib(),
        });
        println!("{line}");
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// CPU time of all threads, in user and kernel.
#[allow(unsafe_code)]
fn cpu() -> Duration {
    // SAFETY: the call fills the struct that it is given, which may be all zeros.
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

/// Resident memory now, as Linux tells it; 0 where it doesn't.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|text| text.parse().ok()).unwrap_or(0)
}
