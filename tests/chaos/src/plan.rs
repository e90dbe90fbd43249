//! The faults of a run with their order, targets and durations: a function of the seed alone.

use std::fmt;
use std::time::Duration;

use rand_core::{RngCore, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::service::{Extent, Service, Target};

/// Brokers of the cluster.
pub const BROKERS: usize = 3;

/// Restarts of each bridge in the long plan.
const ROUNDS: usize = 32;
/// An instance of another service is restarted in one of this many rounds of the long plan.
const OTHER_ROUNDS: usize = 4;

/// Kills in the plan of coordinators.
pub const COORDINATOR_KILLS: usize = 100;

/// Longer than the session timeout of the instances (6 s): the group assigns their partitions to others.
const PAST_SESSION: Duration = Duration::from_secs(9);
/// Long enough for the controller to fence a killed broker (6 s) and for work to continue without it.
const BROKER_OUTAGE: Duration = Duration::from_secs(9);

/// A signal to an instance; the supervisor restarts it, or it continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// It drains and exits.
    Term,
    /// It exits immediately.
    Kill,
    /// It is suspended past its session timeout, then continues.
    Stop,
}

/// A fault of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegistryFault {
    /// Every connection is closed.
    Down,
    /// Every response takes seconds.
    Slow,
    /// Every response has status 500.
    Error500,
    /// Every response is a page of HTML with status 200.
    Html,
}

/// A fault of the connections between some instances and one broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkFault {
    /// They are closed, and new ones are closed immediately.
    Cut,
    /// They stay open and pass no bytes.
    BlackHoled,
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A signal to an instance.
    Signal(Signal, Target),
    /// An additional instance of a service runs for some time.
    Scale(Service),
    /// A broker is killed and restarted.
    BrokerKilled(usize),
    /// The brokers are restarted one after the other.
    RollingRestart,
    /// Leadership returns to the preferred replicas.
    Election,
    /// The broker that coordinates a service's group is killed and restarted.
    GroupCoordinatorKilled(Service),
    /// The broker that coordinates an instance's transactions is killed and restarted.
    TransactionCoordinatorKilled(Target),
    /// The registry fails, and an instance is killed meanwhile, so that it has to start without it.
    Registry(RegistryFault, Target),
    /// A fault of the connections between the proxied instances and this broker.
    Link(LinkFault, usize),
    /// An instance is restarted with its log on a full disk.
    LogDiskFull(Target),
    /// An instance's wall clock jumps forward.
    ClockJump(Target),
}

/// A fault, its duration, and the pause after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub fault: Fault,
    /// Time until the fault is ended; zero for a momentary one.
    pub hold: Duration,
    /// The pause after it.
    pub rest: Duration,
    /// `true` if the pause lasts until the recovery.
    pub until_recovered: bool,
}

/// The faults of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In order, one after the other: no two faults are active together, so no two brokers are down together.
    pub steps: Vec<Step>,
}

struct Dice(Pcg64Mcg);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // The bias of a remainder is negligible in a plan.
        self.0.next_u64() % bound.max(1)
    }

    fn broker(&mut self) -> usize {
        usize::try_from(self.below(3)).unwrap_or(0) % BROKERS
    }

    fn service(&mut self) -> Service {
        if self.below(2) == 0 { Service::Bridge } else { Service::Feature }
    }

    fn target_of(&mut self, service: Service, extent: Extent) -> Target {
        let count = extent.of(service);
        Target { service, ordinal: u32::try_from(self.below(count.into())).unwrap_or(0) }
    }

    fn target(&mut self, extent: Extent) -> Target {
        let service = self.service();
        self.target_of(service, extent)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = usize::try_from(self.below(i as u64 + 1)).unwrap_or(i);
            items.swap(i, j);
        }
    }
}

// === impl Plan ===

impl Plan {
    /// Returns one fault of every kind, in random order.
    #[must_use]
    pub fn short(seed: u64, extent: Extent) -> Self {
        let mut dice = Dice(Pcg64Mcg::seed_from_u64(seed));
        let mut faults = one_of_each(&mut dice, extent);
        dice.shuffle(&mut faults);
        let step =
            |fault| Step { fault, hold: hold_of(fault), rest: Duration::from_secs(3), until_recovered: true };
        Self { steps: faults.into_iter().map(step).collect() }
    }

    /// Returns 32 restarts of every bridge and 8 of every other instance, by the three signals in rotation and without waiting
    /// for recovery; after each round follows one of the other faults.
    #[must_use]
    pub fn long(seed: u64, extent: Extent) -> Self {
        let mut dice = Dice(Pcg64Mcg::seed_from_u64(seed));
        let mut steps = Vec::new();
        let mut others = Vec::new();
        for round in 0..ROUNDS {
            let mut targets: Vec<Target> = Service::ALL
                .into_iter()
                .filter(|service| *service == Service::Bridge || round % OTHER_ROUNDS == 0)
                .flat_map(|service| (0..extent.of(service)).map(move |ordinal| Target { service, ordinal }))
                .collect();
            dice.shuffle(&mut targets);
            for target in targets {
                // In any order of targets, each gets the three signals in rotation.
                let signals = [Signal::Term, Signal::Kill, Signal::Stop];
                let fault = Fault::Signal(signals[(round + target.ordinal as usize) % 3], target);
                let rest = Duration::from_millis(500 + dice.below(2_000));
                steps.push(Step { fault, hold: hold_of(fault), rest, until_recovered: false });
            }
            if others.is_empty() {
                others = one_of_each(&mut dice, extent);
                others.retain(|fault| !matches!(fault, Fault::Signal(..)));
                dice.shuffle(&mut others);
            }
            if let Some(fault) = others.pop() {
                steps.push(Step {
                    fault,
                    hold: hold_of(fault),
                    rest: Duration::from_secs(3),
                    until_recovered: true,
                });
            }
        }
        Self { steps }
    }

    /// Returns 100 kills of the broker that coordinates a group or the transactions of an instance, alternately.
    #[must_use]
    pub fn coordinators(seed: u64, extent: Extent) -> Self {
        let mut dice = Dice(Pcg64Mcg::seed_from_u64(seed));
        let mut step = |index: usize| {
            let fault = match index % 2 {
                0 => Fault::GroupCoordinatorKilled(dice.service()),
                _ => Fault::TransactionCoordinatorKilled(dice.target(extent)),
            };
            Step { fault, hold: hold_of(fault), rest: Duration::from_secs(3), until_recovered: true }
        };
        Self { steps: (0..COORDINATOR_KILLS).map(&mut step).collect() }
    }

    /// Returns the estimated duration from this step on, from which the pace of the input follows.
    #[must_use]
    pub fn takes(&self, from: usize) -> Duration {
        self.steps.iter().skip(from).map(|step| step.hold + step.rest + overhead_of(step)).sum()
    }
}

/// Returns one fault of each kind with random targets.
fn one_of_each(dice: &mut Dice, extent: Extent) -> Vec<Fault> {
    let mut faults = vec![
        Fault::Scale(dice.service()),
        Fault::BrokerKilled(dice.broker()),
        Fault::RollingRestart,
        Fault::Election,
        Fault::Link(LinkFault::Cut, dice.broker()),
        Fault::Link(LinkFault::BlackHoled, dice.broker()),
        Fault::LogDiskFull(dice.target(extent)),
    ];
    faults.push(if dice.below(2) == 0 {
        Fault::GroupCoordinatorKilled(dice.service())
    } else {
        Fault::TransactionCoordinatorKilled(dice.target(extent))
    });
    for signal in [Signal::Term, Signal::Kill, Signal::Stop] {
        faults.push(Fault::Signal(signal, dice.target(extent)));
    }
    for fault in [RegistryFault::Down, RegistryFault::Slow, RegistryFault::Error500, RegistryFault::Html] {
        faults.push(Fault::Registry(fault, dice.target(extent)));
    }
    if extent.clocks {
        faults.push(Fault::ClockJump(dice.target(extent)));
    }
    // The work of these services runs during all other faults, too.
    if extent.publishers > 0 {
        faults.push(Fault::Signal(Signal::Kill, dice.target_of(Service::Publisher, extent)));
    }
    if extent.backfills > 0 {
        for signal in [Signal::Term, Signal::Kill, Signal::Kill, Signal::Stop] {
            faults.push(Fault::Signal(signal, dice.target_of(Service::Backfill, extent)));
        }
    }
    faults
}

fn hold_of(fault: Fault) -> Duration {
    match fault {
        Fault::Signal(Signal::Stop, _) => PAST_SESSION,
        Fault::Signal(..) | Fault::RollingRestart | Fault::Election => Duration::ZERO,
        Fault::BrokerKilled(_)
        | Fault::GroupCoordinatorKilled(_)
        | Fault::TransactionCoordinatorKilled(_)
        | Fault::Link(LinkFault::BlackHoled, _) => BROKER_OUTAGE,
        Fault::Scale(_)
        | Fault::Registry(..)
        | Fault::Link(LinkFault::Cut, _)
        | Fault::LogDiskFull(_)
        | Fault::ClockJump(_) => Duration::from_secs(5),
    }
}

/// Returns the estimated overhead of a step on two cores: starts of brokers and instances, and recovery if it is waited for.
fn overhead_of(step: &Step) -> Duration {
    let acting = match step.fault {
        Fault::RollingRestart => 100,
        Fault::BrokerKilled(_)
        | Fault::GroupCoordinatorKilled(_)
        | Fault::TransactionCoordinatorKilled(_) => 30,
        Fault::Election | Fault::Scale(_) | Fault::LogDiskFull(_) | Fault::ClockJump(_) => 3,
        Fault::Signal(..) | Fault::Registry(..) | Fault::Link(..) => 0,
    };
    Duration::from_secs(acting + if step.until_recovered { 8 } else { 0 })
}

// === impl Display ===

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal, target) => {
                let name = match signal {
                    Signal::Term => "TERM",
                    Signal::Kill => "KILL",
                    Signal::Stop => "STOP, CONT",
                };
                write!(f, "{target}: {name}")
            }
            Self::Scale(service) => write!(f, "{}: scaled out and in", service.name()),
            Self::BrokerKilled(broker) => write!(f, "broker {}: KILL", broker + 1),
            Self::RollingRestart => f.write_str("brokers: rolling restart"),
            Self::Election => f.write_str("leaders: preferred election"),
            Self::GroupCoordinatorKilled(service) => write!(f, "{}: group coordinator KILL", service.name()),
            Self::TransactionCoordinatorKilled(target) => write!(f, "{target}: transaction coordinator KILL"),
            Self::Registry(fault, target) => {
                let what = match fault {
                    RegistryFault::Down => "down",
                    RegistryFault::Slow => "slow",
                    RegistryFault::Error500 => "returns 500",
                    RegistryFault::Html => "returns HTML",
                };
                write!(f, "registry {what}, {target}: KILL")
            }
            Self::Link(LinkFault::Cut, broker) => write!(f, "links to broker {}: cut", broker + 1),
            Self::Link(LinkFault::BlackHoled, broker) => {
                write!(f, "links to broker {}: black hole", broker + 1)
            }
            Self::LogDiskFull(target) => write!(f, "{target}: log disk full"),
            Self::ClockJump(target) => write!(f, "{target}: clock jumps"),
        }
    }
}

#[cfg(test)]
mod tests;
