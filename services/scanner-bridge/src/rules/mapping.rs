//! Mapping of alert types to requests.

use domain::{AlertType, FeatureSets, Timeframe};

/// Maximum boost of an alert type.
pub const BOOST_MAX: u8 = 3;

/// The request of one alert type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The feature sets, at least one.
    pub sets: FeatureSets,
    /// The timeframe of the bars.
    pub timeframe: Timeframe,
    /// Added to the priority, 0..=[`BOOST_MAX`].
    pub boost: u8,
}

/// One row per alert type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    rows: [Row; AlertType::ALL.len()],
}

impl Mapping {
    /// Creates a mapping in which every alert type has the default row.
    #[must_use]
    pub const fn of_default(row: Row) -> Self {
        Self { rows: [row; AlertType::ALL.len()] }
    }

    /// Sets the row of an alert type.
    pub fn set(&mut self, alert_type: AlertType, row: Row) {
        self.rows[alert_type as usize] = row;
    }

    #[must_use]
    pub const fn row(&self, alert_type: AlertType) -> &Row {
        &self.rows[alert_type as usize]
    }
}
