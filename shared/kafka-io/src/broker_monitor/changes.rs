//! The log of reachability of a process: a line per change, and a summary while brokers are unreachable.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::reach::Reach;

/// Interval of the summaries.
const SUMMARY_EVERY: Duration = Duration::from_secs(30);

/// Failed connections are summarised after this time if no broker was found unreachable: the monitors need 4 s for that.
const FAILURES_SUMMARY_AFTER: Duration = Duration::from_secs(10);

/// The reports of the monitors of a process, and the last state that was logged.
pub(super) struct BrokerLog {
    monitors: usize,
    reaches: BTreeMap<u64, Reach>,
    /// The least reach of all clients when the last line was logged.
    logged: Option<Reach>,
    /// When the first of the unreachable brokers was found unreachable.
    degraded_since: Option<Instant>,
    last_line: Option<Instant>,
    /// Failed connections since the last line, the time of the first, and the cause of the last. The cause is kept until all brokers are
    /// reachable.
    failures: u64,
    first_failure: Option<Instant>,
    cause: String,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    Unreachable {
        reach: Reach,
        cause: String,
    },
    Reachable {
        reach: Reach,
        outage: Duration,
        failures: u64,
    },
    StillUnreachable {
        reach: Reach,
        outage: Duration,
        failures: u64,
        cause: String,
    },
    /// Connections failed, while all brokers are reachable or there is no monitor.
    ConnectionsFailed {
        failures: u64,
        cause: String,
    },
}

// === impl BrokerLog ===

impl BrokerLog {
    pub(super) const fn new() -> Self {
        Self {
            monitors: 0,
            reaches: BTreeMap::new(),
            logged: None,
            degraded_since: None,
            last_line: None,
            failures: 0,
            first_failure: None,
            cause: String::new(),
        }
    }

    pub(super) fn add_monitor(&mut self) {
        self.monitors += 1;
    }

    pub(super) fn remove_monitor(&mut self, id: u64) {
        self.monitors = self.monitors.saturating_sub(1);
        self.reaches.remove(&id);
    }

    /// Returns the last reach of a client.
    #[cfg(test)]
    pub(super) fn reach(&self, id: u64) -> Option<Reach> {
        self.reaches.get(&id).copied()
    }

    /// Takes the reach of a client. Returns the line that is due.
    pub(super) fn report(&mut self, id: u64, reach: Reach, now: Instant) -> Option<Line> {
        let line = self.line(id, reach, now);
        // The cause of failures that no line has named yet is kept for it.
        if self.failures == 0 && self.reaches.values().all(|reach| reach.is_complete()) {
            self.cause.clear();
        }
        line
    }

    fn line(&mut self, id: u64, reach: Reach, now: Instant) -> Option<Line> {
        self.reaches.insert(id, reach);
        // An incomplete reach first: a client of fewer brokers may reach all of them.
        let least = self.reaches.values().min_by_key(|reach| (reach.is_complete(), **reach)).copied()?;
        let before = self.logged.replace(least);
        let change = match before {
            Some(before) => least.rank().cmp(&before.rank()),
            // At start only a missing broker is worth a line.
            None if least.is_complete() => Ordering::Equal,
            None => Ordering::Less,
        };
        let outage = self.degraded_since.map_or(Duration::ZERO, |since| now.duration_since(since));
        match least.is_complete() {
            true => self.degraded_since = None,
            false => _ = self.degraded_since.get_or_insert(now),
        }
        match change {
            Ordering::Less => {
                self.begin_line(now);
                return Some(Line::Unreachable { reach: least, cause: self.cause.clone() });
            }
            Ordering::Greater => {
                let failures = self.begin_line(now);
                return Some(Line::Reachable { reach: least, outage, failures });
            }
            Ordering::Equal => {}
        }
        if self.last_line.is_some_and(|last| now.duration_since(last) < SUMMARY_EVERY) {
            return None;
        }
        if !least.is_complete() {
            let (failures, cause) = (self.begin_line(now), self.cause.clone());
            return Some(Line::StillUnreachable { reach: least, outage, failures, cause });
        }
        let is_due = |first: Instant| now.duration_since(first) >= FAILURES_SUMMARY_AFTER;
        self.first_failure.is_some_and(is_due).then(|| self.connections_failed(now))
    }

    /// Takes a failed connection. Returns the line that is due: none if there is a monitor, whose reports are logged.
    pub(super) fn failed(&mut self, cause: &str, now: Instant) -> Option<Line> {
        self.failures += 1;
        self.first_failure.get_or_insert(now);
        if !cause.is_empty() {
            cause.clone_into(&mut self.cause);
        }
        let is_due = self.last_line.is_none_or(|last| now.duration_since(last) >= SUMMARY_EVERY);
        (self.monitors == 0 && is_due).then(|| self.connections_failed(now))
    }

    fn connections_failed(&mut self, now: Instant) -> Line {
        let failures = self.begin_line(now);
        Line::ConnectionsFailed { failures, cause: self.cause.clone() }
    }

    /// Returns the failures since the last line.
    fn begin_line(&mut self, now: Instant) -> u64 {
        self.last_line = Some(now);
        self.first_failure = None;
        std::mem::take(&mut self.failures)
    }
}

// === impl Reach ===

impl Reach {
    /// Returns the order of reaches in the log: all complete ones are equal, as a cluster may grow or shrink.
    fn rank(self) -> usize {
        if self.is_complete() { usize::MAX } else { self.reachable }
    }
}

// === impl Line ===

impl Line {
    pub(super) fn log(&self) {
        match self {
            Self::Unreachable { reach: Reach { reachable: 0, known }, cause } => {
                tracing::warn!(reachable = 0, known, cause, "Kafka unreachable: no broker has a connection");
            }
            Self::Unreachable { reach: Reach { reachable, known }, cause } => {
                tracing::warn!(reachable, known, cause, "broker unreachable: connection lost");
            }
            Self::Reachable { reach: Reach { reachable, known }, outage, failures } => {
                let outage_s = outage.as_secs();
                tracing::info!(reachable, known, outage_s, failures, "brokers reachable again");
            }
            Self::StillUnreachable { reach: Reach { reachable, known }, outage, failures, cause } => {
                let outage_s = outage.as_secs();
                tracing::warn!(reachable, known, outage_s, failures, cause, "brokers still unreachable");
            }
            Self::ConnectionsFailed { failures, cause } => {
                tracing::warn!(failures, cause, "connection failed: librdkafka retries automatically");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Reach = Reach { reachable: 3, known: 3 };
    const NONE: Reach = Reach { reachable: 0, known: 3 };

    /// Feeds one client's reach every 2 s, each with 40 failures while none is reachable. Returns the lines with their seconds.
    fn lines(
        log: &mut BrokerLog,
        seconds: std::ops::Range<u64>,
        reach: Reach,
        start: Instant,
    ) -> Vec<(u64, Line)> {
        let mut lines = Vec::new();
        for second in seconds.step_by(2) {
            let now = start + Duration::from_secs(second);
            if reach == NONE {
                for _ in 0..40 {
                    lines.extend(log.failed("Connection refused", now).map(|line| (second, line)));
                }
            }
            lines.extend(log.report(1, reach, now).map(|line| (second, line)));
        }
        lines
    }

    #[test]
    fn outage_is_one_line_per_change_and_summaries() {
        let (mut log, start) = (BrokerLog::new(), Instant::now());
        log.add_monitor();
        assert_eq!(lines(&mut log, 0..600, ALL, start), []);
        let outage = lines(&mut log, 600..670, NONE, start);
        let cause = "Connection refused".to_owned();
        let still = |second, failures| {
            let (outage, cause) = (Duration::from_secs(second - 600), cause.clone());
            (second, Line::StillUnreachable { reach: NONE, outage, failures, cause })
        };
        let first = (600, Line::Unreachable { reach: NONE, cause: cause.clone() });
        assert_eq!(outage, [first, still(630, 15 * 40), still(660, 15 * 40)]);
        let recovery = lines(&mut log, 670..900, ALL, start);
        let (outage, failures) = (Duration::from_secs(70), 4 * 40);
        assert_eq!(recovery, [(670, Line::Reachable { reach: ALL, outage, failures })]);
    }

    #[test]
    fn clients_of_a_process_share_one_line() {
        let (mut log, now) = (BrokerLog::new(), Instant::now());
        for id in 1..4 {
            log.add_monitor();
            assert_eq!(log.report(id, ALL, now), None);
        }
        let lines: Vec<_> = (1..4).filter_map(|id| log.report(id, NONE, now)).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let lines: Vec<_> = (1..4).filter_map(|id| log.report(id, ALL, now)).collect();
        assert!(matches!(lines[..], [Line::Reachable { .. }]), "{lines:?}");
        // A removed client no longer counts.
        log.report(1, NONE, now);
        log.remove_monitor(1);
        assert!(matches!(log.report(2, ALL, now), Some(Line::Reachable { .. })));
    }

    #[test]
    fn outage_ends_when_the_missing_broker_is_removed() {
        let (mut log, start) = (BrokerLog::new(), Instant::now());
        log.add_monitor();
        let [partly, fewer] = [3, 2].map(|known| Reach { reachable: 2, known });
        let mut logged = lines(&mut log, 0..10, ALL, start);
        logged.extend(lines(&mut log, 10..20, partly, start));
        logged.extend(lines(&mut log, 20..600, fewer, start));
        let cause = String::new;
        let outage = Duration::from_secs(10);
        let ended = Line::Reachable { reach: fewer, outage, failures: 0 };
        assert_eq!(logged, [(10, Line::Unreachable { reach: partly, cause: cause() }), (20, ended)]);
        // The next outage has a beginning of its own.
        let logged = lines(&mut log, 600..632, Reach { reachable: 1, known: 2 }, start);
        assert!(
            matches!(logged[..], [(600, Line::Unreachable { .. }), (630, Line::StillUnreachable { outage, .. })]
                if outage == Duration::from_secs(30)),
            "{logged:?}"
        );
    }

    #[test]
    fn unreachable_new_broker_is_an_outage_with_a_beginning() {
        let (mut log, start) = (BrokerLog::new(), Instant::now());
        log.add_monitor();
        assert_eq!(lines(&mut log, 0..60, ALL, start), []);
        let more = Reach { reachable: 3, known: 4 };
        let logged = lines(&mut log, 60..92, more, start);
        let cause = String::new;
        let outage = Duration::from_secs(30);
        let still = Line::StillUnreachable { reach: more, outage, failures: 0, cause: cause() };
        assert_eq!(logged, [(60, Line::Unreachable { reach: more, cause: cause() }), (90, still)]);
        let logged = lines(&mut log, 92..200, Reach { reachable: 4, known: 4 }, start);
        assert!(matches!(logged[..], [(92, Line::Reachable { .. })]), "{logged:?}");
        // A cluster that grows or shrinks without an outage is worth no line.
        assert_eq!(lines(&mut log, 200..300, ALL, start), []);
        // A client with fewer known brokers does not hide that another misses one.
        log.add_monitor();
        assert!(matches!(log.report(2, more, start), Some(Line::Unreachable { .. })));
    }

    #[test]
    fn cause_of_an_earlier_outage_is_not_repeated() {
        let (mut log, start) = (BrokerLog::new(), Instant::now());
        log.add_monitor();
        lines(&mut log, 0..10, ALL, start);
        lines(&mut log, 10..20, NONE, start);
        lines(&mut log, 20..600, ALL, start);
        let unreachable = Line::Unreachable { reach: NONE, cause: String::new() };
        assert_eq!(log.report(1, NONE, start + Duration::from_secs(600)), Some(unreachable));
    }

    #[test]
    fn failures_without_outage_are_summed_up() {
        let (mut log, start) = (BrokerLog::new(), Instant::now());
        log.add_monitor();
        for _ in 0..5 {
            assert_eq!(log.failed("Disconnected", start), None);
        }
        let expected = Line::ConnectionsFailed { failures: 5, cause: "Disconnected".to_owned() };
        assert_eq!(lines(&mut log, 0..300, ALL, start), [(10, expected)]);
    }

    #[test]
    fn process_without_monitor_logs_the_first_failure_and_sums() {
        let (mut log, start) = (BrokerLog::new(), Instant::now());
        let at =
            |log: &mut BrokerLog, second| log.failed("Disconnected", start + Duration::from_secs(second));
        let failures =
            |failures| Some(Line::ConnectionsFailed { failures, cause: "Disconnected".to_owned() });
        assert_eq!(at(&mut log, 0), failures(1));
        for second in 1..30 {
            assert_eq!(at(&mut log, second), None);
        }
        assert_eq!(at(&mut log, 30), failures(30));
    }
}
