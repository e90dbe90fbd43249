//! Fault injection: starts and ends each fault.

use std::io;
use std::time::Duration;

use crate::cluster::{Cluster, coordinating_partition};
use crate::fleet::Fleet;
use crate::plan::{BROKERS, Fault, LinkFault, RegistryFault, Signal};
use crate::proxy::{Mode, Proxy};
use crate::service::{Service, Target};

const CONSUMER_OFFSETS: &str = "__consumer_offsets";
const TRANSACTION_STATE: &str = "__transaction_state";

/// Longer than the services' timeout of one response.
const SLOW_REGISTRY: Duration = Duration::from_secs(7);
/// Less than the retention of dedup windows of 6 min: older windows may be evicted, by the contract. In seconds.
const CLOCK_JUMP_S: i64 = 240;

const RESPONSE_500: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\n\
     content-length: 38\r\nconnection: close\r\n\r\n{\"error_code\":50001,\"message\":\"storm\"}";
const RESPONSE_HTML: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 37\r\nconnection: close\r\n\r\n\
     <html><body>Bad gateway</body></html>";

/// The system under test.
pub struct System {
    pub cluster: Cluster,
    pub fleet: Fleet,
    /// The proxy of the registry.
    pub registry: Proxy,
}

/// A fault that was injected and has to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActiveFault {
    /// It was momentary.
    Nothing,
    /// An instance is suspended.
    Stopped(Target),
    /// There is an additional instance.
    Scaled(Target),
    /// A broker is down.
    Broker(usize),
    /// The registry fails.
    Registry,
    /// A broker's proxy passes no bytes.
    Link(usize),
    /// An instance's log is on a full disk.
    LogFull(Target),
    /// An instance's clock is ahead.
    Clock(Target),
}

// === impl System ===

impl System {
    /// Waits for the precondition of a fault: no broker fault starts before every broker is up and every replica in sync.
    ///
    /// # Errors
    /// The timeout is exceeded.
    pub fn prepare(&self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::BrokerKilled(_)
            | Fault::RollingRestart
            | Fault::Election
            | Fault::GroupCoordinatorKilled(_)
            | Fault::TransactionCoordinatorKilled(_) => self.cluster.wait_in_sync(),
            Fault::Signal(..)
            | Fault::Scale(_)
            | Fault::Registry(..)
            | Fault::Link(..)
            | Fault::LogDiskFull(_)
            | Fault::ClockJump(_) => Ok(()),
        }
    }

    /// Injects a fault. Returns the active fault and a detail for the output, empty if there is none.
    ///
    /// # Errors
    /// The fault cannot be injected.
    pub fn begin(&mut self, fault: Fault) -> io::Result<(ActiveFault, String)> {
        let without_detail = |active| Ok((active, String::new()));
        match fault {
            Fault::Signal(Signal::Stop, target) => {
                self.fleet.signal(target, "STOP");
                without_detail(ActiveFault::Stopped(target))
            }
            Fault::Signal(signal, target) => {
                self.fleet.signal(target, if signal == Signal::Term { "TERM" } else { "KILL" });
                without_detail(ActiveFault::Nothing)
            }
            Fault::Scale(service) => without_detail(ActiveFault::Scaled(self.fleet.scale_out(service)?)),
            Fault::BrokerKilled(broker) => self.kill_broker(broker),
            Fault::RollingRestart => {
                for broker in 0..BROKERS {
                    self.cluster.end(broker, "TERM")?;
                    self.cluster.restart_stopped(broker)?;
                }
                without_detail(ActiveFault::Nothing)
            }
            Fault::Election => {
                let moved = self.cluster.elect_preferred()?;
                Ok((ActiveFault::Nothing, format!("{moved} leaders moved")))
            }
            Fault::GroupCoordinatorKilled(service) => {
                let broker = self.coordinator(CONSUMER_OFFSETS, service.group())?;
                self.kill_broker(broker)
            }
            Fault::TransactionCoordinatorKilled(target) => {
                let id = format!("{}-{}", target.service.group(), target.ordinal);
                let broker = self.coordinator(TRANSACTION_STATE, &id)?;
                self.kill_broker(broker)
            }
            Fault::Registry(fault, target) => {
                self.registry.set(match fault {
                    RegistryFault::Down => Mode::Cut,
                    RegistryFault::Slow => Mode::Slow(SLOW_REGISTRY),
                    RegistryFault::Error500 => Mode::Respond(RESPONSE_500),
                    RegistryFault::Html => Mode::Respond(RESPONSE_HTML),
                });
                self.fleet.signal(target, "KILL");
                without_detail(ActiveFault::Registry)
            }
            Fault::Link(fault, broker) => {
                let mode = if fault == LinkFault::Cut { Mode::Cut } else { Mode::BlackHole };
                self.cluster.proxy(broker).set(mode);
                without_detail(ActiveFault::Link(broker))
            }
            Fault::LogDiskFull(target) => {
                self.fleet.set_full_log_disk(target, true);
                without_detail(ActiveFault::LogFull(target))
            }
            Fault::ClockJump(target) => {
                self.fleet.jump(target, CLOCK_JUMP_S)?;
                Ok((ActiveFault::Clock(target), format!("{CLOCK_JUMP_S} s ahead")))
            }
        }
    }

    /// Ends a fault.
    ///
    /// # Errors
    /// The fault cannot be ended.
    pub fn end(&mut self, active: ActiveFault) -> io::Result<()> {
        match active {
            ActiveFault::Nothing => {}
            ActiveFault::Stopped(target) => self.fleet.signal(target, "CONT"),
            ActiveFault::Scaled(target) => self.fleet.scale_in(target),
            ActiveFault::Broker(broker) => self.cluster.restart_stopped(broker)?,
            ActiveFault::Registry => self.registry.set(Mode::Pass),
            ActiveFault::Link(broker) => self.cluster.proxy(broker).set(Mode::Pass),
            ActiveFault::LogFull(target) => self.fleet.set_full_log_disk(target, false),
            // Its next start resets the clock: a clock that is set back is another fault.
            ActiveFault::Clock(target) => self.fleet.signal(target, "TERM"),
        }
        Ok(())
    }

    /// Returns whether a service has no work left: every partition has an owner, and no record is held or not yet read.
    #[must_use]
    pub fn is_idle(&self, service: Service, partitions: i32) -> bool {
        let metrics = self.fleet.metrics(service);
        service.stages().iter().all(|(stage, topics)| {
            let sum =
                |name: &str| -> f64 { metrics.iter().map(|it| it.sum(name, &[("stage", stage)])).sum() };
            let is_owned =
                sum("tapeline_stage_assigned_partitions") > f64::from(partitions) * f64::from(*topics) - 0.5;
            is_owned && sum("tapeline_stage_lag_records") < 0.5 && sum("tapeline_stage_held_records") < 0.5
        })
    }

    fn kill_broker(&mut self, broker: usize) -> io::Result<(ActiveFault, String)> {
        self.cluster.end(broker, "KILL")?;
        Ok((ActiveFault::Broker(broker), format!("broker {}", broker + 1)))
    }

    fn coordinator(&self, topic: &str, id: &str) -> io::Result<usize> {
        let partition = coordinating_partition(id, self.cluster.partitions_of(topic)?);
        self.cluster.leader_of(topic, partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_have_their_content_length() {
        for response in [RESPONSE_500, RESPONSE_HTML] {
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            assert_eq!(length, body.len().to_string());
        }
    }
}
