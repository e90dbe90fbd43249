//! The services under test, and the number of their instances.

use std::fmt;

/// A service under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// scanner-bridge
    Bridge,
    /// feature
    Feature,
    /// publisher
    Publisher,
    /// backfill
    Backfill,
}

/// One instance of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    pub service: Service,
    pub ordinal: u32,
}

/// The size of the system under test.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Instances of the bridge.
    pub bridges: u32,
    /// Instances of the feature service.
    pub features: u32,
    /// Instances of the publisher; 0 without backfill work.
    pub publishers: u32,
    /// Instances of the backfill service; 0 without backfill work.
    pub backfills: u32,
    /// `true` if clocks can be changed.
    pub clocks: bool,
}

// === impl Service ===

impl Service {
    /// Every service.
    pub const ALL: [Self; 4] = [Self::Bridge, Self::Feature, Self::Publisher, Self::Backfill];

    /// Returns the name of its binary and process.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "scanner-bridge",
            Self::Feature => "feature",
            Self::Publisher => "publisher",
            Self::Backfill => "backfill",
        }
    }

    /// Returns its consumer group; of the backfill service that of its executor.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self {
            Self::Bridge => "tapeline.scanner-bridge",
            Self::Feature => "tapeline.feature",
            Self::Publisher => "tapeline.publisher.announcer",
            Self::Backfill => "tapeline.backfill.executor",
        }
    }

    /// Returns its stages, each with the number of topics that it consumes.
    #[must_use]
    pub const fn stages(self) -> &'static [(&'static str, u8)] {
        match self {
            Self::Bridge => &[("bridge", 1)],
            Self::Feature => &[("feature", 2)],
            Self::Publisher => &[("announcer", 1)],
            Self::Backfill => &[("backfill-planner", 3), ("backfill-executor", 1)],
        }
    }
}

// === impl Extent ===

impl Extent {
    /// Returns the number of instances of a service.
    #[must_use]
    pub const fn of(self, service: Service) -> u32 {
        match service {
            Service::Bridge => self.bridges,
            Service::Feature => self.features,
            Service::Publisher => self.publishers,
            Service::Backfill => self.backfills,
        }
    }
}

// === impl Target ===

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.service.name(), self.ordinal)
    }
}
