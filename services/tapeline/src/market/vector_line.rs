//! A feature vector as `--vectors` writes it.

use std::collections::BTreeMap;

use contracts::{SetResult, Vector};
use domain::Timestamp;
use serde::Serialize;

/// One line. Numbers have all their digits.
#[derive(Debug, Serialize)]
pub(super) struct VectorLine<'a> {
    symbol: &'a str,
    timeframe: &'a str,
    as_of: String,
    request_id: &'a str,
    sets: BTreeMap<&'a str, SetLine<'a>>,
}

#[derive(Debug, Serialize)]
struct SetLine<'a> {
    status: &'a str,
    reason: Option<&'a str>,
    values: &'a BTreeMap<String, f64>,
}

impl<'a> VectorLine<'a> {
    /// Returns the line of a vector.
    #[must_use]
    pub(super) fn of(vector: &'a Vector) -> Self {
        let line = |set: &'a SetResult| SetLine {
            status: set.status.as_str(),
            reason: set.reason.as_deref(),
            values: &set.values,
        };
        Self {
            symbol: &vector.symbol,
            timeframe: &vector.timeframe,
            as_of: Timestamp::from_micros(vector.as_of).to_string(),
            request_id: &vector.request_id,
            sets: vector.sets.iter().map(|(name, set)| (name.as_str(), line(set))).collect(),
        }
    }
}
