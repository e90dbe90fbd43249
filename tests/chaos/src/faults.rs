//! How each fault is done and mended.

use std::io;
use std::time::Duration;

use crate::cluster::{Cluster, coordinating_partition};
use crate::fleet::Fleet;
use crate::plan::{BROKERS, Fault, LinkFault, RegistryFault, Service, Signal, Target};
use crate::proxy::{Mode, Proxy};

const CONSUMER_OFFSETS: &str = "__consumer_offsets";
const TRANSACTION_STATE: &str = "__transaction_state";

/// Longer than the services' patience with one answer.
const SLOW_REGISTRY: Duration = Duration::from_secs(7);
/// Below the dedup windows' memory of 6 min: what is older may be forgotten, by the contract.
const JUMP_SECONDS: i64 = 240;

const ERROR_500: &str = "HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\n\
     content-length: 43\r\nconnection: close\r\n\r\n{\"error_code\":50001,\"message\":\"storm says\"}";
const HTML: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 47\r\nconnection: close\r\n\r\n\
     <html><body>Bad gateway, said 200</body></html>";

/// What faults act upon.
pub struct Scene {
    /// The brokers.
    pub cluster: Cluster,
    /// The services.
    pub fleet: Fleet,
    /// In front of the registry.
    pub registry: Proxy,
}

/// A fault that holds and has to be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It was over at once.
    Nothing,
    /// An instance stands still.
    Stopped(Target),
    /// There is one instance more.
    Scaled(Target),
    /// A broker is away.
    Broker(usize),
    /// The registry misbehaves.
    Registry,
    /// A broker's proxy does not pass.
    Link(usize),
    /// An instance's log goes nowhere.
    LogFull(Target),
    /// An instance's clock is ahead.
    Clock(Target),
}

// === impl Scene ===

impl Scene {
    /// Waits for what a fault needs: no broker fault begins while a broker is away or behind.
    ///
    /// # Errors
    /// When that doesn't come about.
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

    /// Does it; says what holds now, and what there is to tell of it.
    ///
    /// # Errors
    /// When it can't be done.
    pub fn begin(&mut self, fault: Fault) -> io::Result<(Held, String)> {
        let quiet = |held| Ok((held, String::new()));
        match fault {
            Fault::Signal(Signal::Stop, target) => {
                self.fleet.signal(target, "STOP");
                quiet(Held::Stopped(target))
            }
            Fault::Signal(signal, target) => {
                self.fleet.signal(target, if signal == Signal::Term { "TERM" } else { "KILL" });
                quiet(Held::Nothing)
            }
            Fault::Scale(service) => quiet(Held::Scaled(self.fleet.scale_out(service)?)),
            Fault::BrokerKilled(broker) => self.kill_broker(broker),
            Fault::RollingRestart => {
                for broker in 0..BROKERS {
                    self.cluster.end(broker, "TERM")?;
                    self.cluster.bring_back(broker)?;
                }
                quiet(Held::Nothing)
            }
            Fault::Election => {
                let moved = self.cluster.elect_preferred()?;
                Ok((Held::Nothing, format!("{moved} leaders moved")))
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
                    RegistryFault::Error500 => Mode::Answer(ERROR_500),
                    RegistryFault::Html => Mode::Answer(HTML),
                });
                self.fleet.signal(target, "KILL");
                quiet(Held::Registry)
            }
            Fault::Link(fault, broker) => {
                let mode = if fault == LinkFault::Cut { Mode::Cut } else { Mode::BlackHole };
                self.cluster.proxy(broker).set(mode);
                quiet(Held::Link(broker))
            }
            Fault::LogDiskFull(target) => {
                self.fleet.set_log_full(target, true);
                quiet(Held::LogFull(target))
            }
            Fault::ClockJump(target) => {
                self.fleet.jump(target, JUMP_SECONDS)?;
                Ok((Held::Clock(target), format!("{JUMP_SECONDS} s ahead")))
            }
        }
    }

    /// Ends what holds.
    ///
    /// # Errors
    /// When it can't be ended.
    pub fn mend(&mut self, held: Held) -> io::Result<()> {
        match held {
            Held::Nothing => {}
            Held::Stopped(target) => self.fleet.signal(target, "CONT"),
            Held::Scaled(target) => self.fleet.scale_in(target),
            Held::Broker(broker) => self.cluster.bring_back(broker)?,
            Held::Registry => self.registry.set(Mode::Pass),
            Held::Link(broker) => self.cluster.proxy(broker).set(Mode::Pass),
            Held::LogFull(target) => self.fleet.set_log_full(target, false),
            // Its next start sets the clock right: a clock that goes back is another fault.
            Held::Clock(target) => self.fleet.signal(target, "TERM"),
        }
        Ok(())
    }

    /// Whether a service has nothing left to do: as many partitions as there are have an owner, and no record waits or is held.
    #[must_use]
    pub fn is_idle(&self, service: Service, partitions: f64) -> bool {
        let stage = if service == Service::Bridge { "bridge" } else { "feature" };
        let metrics = self.fleet.metrics(service);
        let sum = |name: &str| -> f64 { metrics.iter().map(|it| it.sum(name, &[("stage", stage)])).sum() };
        let is_owned = sum("tapeline_stage_assigned_partitions") > partitions - 0.5;
        is_owned && sum("tapeline_stage_lag_records") < 0.5 && sum("tapeline_stage_held_records") < 0.5
    }

    fn kill_broker(&mut self, broker: usize) -> io::Result<(Held, String)> {
        self.cluster.end(broker, "KILL")?;
        Ok((Held::Broker(broker), format!("broker {}", broker + 1)))
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
    fn answers_are_as_long_as_they_say() {
        for answer in [ERROR_500, HTML] {
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            assert_eq!(length, body.len().to_string());
        }
    }
}
