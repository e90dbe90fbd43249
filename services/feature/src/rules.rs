//! Rules of the feature sets: pure functions from bars to values.
//!
//! [`History`] keeps the bars of a symbol, [`select`] returns those that a request may use, [`Window`] derives columns from them, and
//! [`compute`] returns the values of one set. `docs/features.md` documents the names and formulas; `tests/golden.rs` compares the values
//! with TA-Lib, pandas and numpy, and `tests/features_page.rs` the page with the rules.
//!
//! A value is omitted if its window is not full or its divisor is 0; the reason of the set names the cause. A value is never NaN, never
//! infinite and never a substituted zero.

mod benchmarks;
mod comparison;
mod earlier_days;
mod history;
mod indicators;
mod math;
mod reason_class;
mod sets;
mod stats;
mod value;
mod window;

use domain::FeatureSet;

pub use benchmarks::{Benchmarks, COMPARED, followed, in_name};
pub use earlier_days::EarlierDays;
pub use history::History;
pub use reason_class::ReasonClass;
pub use value::{SetResult, Status};
pub use window::{Window, select};

/// Computes the values of one feature set over the window.
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
        Err(sets::Unsupported::NotBuilt) => SetResult::unavailable("not built yet", ReasonClass::NotBuilt),
        Err(sets::Unsupported::NoSource(what)) => {
            SetResult::unavailable(format!("no source of {what}"), ReasonClass::NoSource)
        }
    }
}

/// Returns `true` if the set has a rule.
#[must_use]
pub fn is_built(set: FeatureSet) -> bool {
    sets::rule(set).is_ok()
}
