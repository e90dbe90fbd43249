//! Alert type → what it asks for.

use domain::{AlertType, FeatureSets, Timeframe};

/// The greatest boost that an alert type can be given.
pub const MAX_BOOST: u8 = 3;

/// What alerts of one type ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The feature sets; never empty.
    pub sets: FeatureSets,
    /// The timeframe of the bars that they are computed on.
    pub timeframe: Timeframe,
    /// Added to the priority, 0..=[`MAX_BOOST`].
    pub boost: u8,
}

/// A row for every alert type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    rows: [Row; AlertType::ALL.len()],
}

impl Mapping {
    /// A mapping in which every alert type has the default row.
    #[must_use]
    pub const fn of_default(row: Row) -> Self {
        Self { rows: [row; AlertType::ALL.len()] }
    }

    /// Gives an alert type a row of its own.
    pub fn set(&mut self, alert_type: AlertType, row: Row) {
        self.rows[alert_type as usize] = row;
    }

    /// What alerts of this type ask for.
    #[must_use]
    pub const fn row(&self, alert_type: AlertType) -> &Row {
        &self.rows[alert_type as usize]
    }
}
