//! From bars to values: the rules of the feature sets. Pure functions; whoever calls them reads, keeps time and writes.
//!
//! The order of things: [`History`] holds a symbol's bars; [`select`] says which of them a request may see; [`Window`] turns
//! those into columns; [`compute`] gives one set's values over them. Which names and formulas a set has is the feature
//! catalogue's matter; `tests/golden.rs` holds them to TA-Lib, pandas and numpy.
//!
//! A value whose bars aren't all held, or whose divisor is 0, is left out and named in the set's reason. No value is ever NaN,
//! infinite, or a zero that stands for "unknown".

mod benchmarks;
mod history;
mod indicators;
mod sets;
mod stats;
mod value;
mod window;

use domain::FeatureSet;

pub use benchmarks::{Benchmarks, COMPARED, followed, in_name};
pub use history::History;
pub use value::{SetResult, Status};
pub use window::{Window, prior_day, select};

/// The values of one feature set over the window.
///
/// A set without a rule is [`Status::Unavailable`] with the reason `not built yet`, or `no source of <what>`.
#[must_use]
pub fn compute(set: FeatureSet, window: &Window<'_>) -> SetResult {
    match sets::rule(set) {
        Ok(put) => {
            let mut values = value::Values::new(window.len());
            put(window, &mut values);
            values.finish()
        }
        Err(sets::Lack::NotBuilt) => SetResult::unavailable("not built yet"),
        Err(sets::Lack::Source(what)) => SetResult::unavailable(format!("no source of {what}")),
    }
}

/// Whether there is a rule for the set.
#[must_use]
pub fn is_built(set: FeatureSet) -> bool {
    sets::rule(set).is_ok()
}
