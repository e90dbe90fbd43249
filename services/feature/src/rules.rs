//! Rules of the feature sets: pure functions from bars to values.
//!
//! [`History`] keeps the bars of a symbol, [`select`] returns those that a request may use, [`adjust`] applies the splits of [`Splits`],
//! [`Window`] derives columns from them, and [`compute`] returns the values of one set. `docs/features.md` documents the names and formulas; `tests/golden.rs` compares the values
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
mod splits;
mod stats;
mod value;
mod window;

use domain::FeatureSet;

pub use benchmarks::{Benchmarks, COMPARED, followed, in_name};
pub use earlier_days::EarlierDays;
pub use history::History;
pub use reason_class::ReasonClass;
pub use splits::{Mismatch, MismatchCause, Mismatches, Split, Splits, adjust, adjusted};
pub use value::{SetResult, Status};
pub use window::{Window, select};

/// Computes the values of one feature set over the window.
///
/// A set without a rule is [`Status::Unavailable`] with the reason `not built yet`, or `no source of <what>`. A set with values whose
/// prices contradict the known splits is marked: its reason begins with the newest contradiction.
#[must_use]
pub fn compute(set: FeatureSet, window: &Window<'_>) -> SetResult {
    match sets::rule(set) {
        Ok(put) => {
            let mut values = value::Values::new(window.len());
            put(window, &mut values);
            let mut result = values.finish();
            if result.status == Status::Computed
                && let Some((cause, class)) = doubt(set, window)
            {
                result.prepend(cause, class);
            }
            result
        }
        Err(sets::Unsupported::NotBuilt) => SetResult::unavailable("not built yet", ReasonClass::NotBuilt),
        Err(sets::Unsupported::NoSource(what)) => {
            SetResult::unavailable(format!("no source of {what}"), ReasonClass::NoSource)
        }
    }
}

/// Returns the mark of a set: the mismatches of its own bars, otherwise those of the first benchmark that has some.
fn doubt(set: FeatureSet, window: &Window<'_>) -> Option<(String, ReasonClass)> {
    let own = window.mismatches().reason().filter(|_| sets::reads_own_bars(set));
    own.or_else(|| {
        sets::benchmarks_read(set, window).iter().find_map(|symbol| {
            let (cause, class) = comparison::mismatches_of(window, *symbol).reason()?;
            Some((format!("{symbol}: {cause}"), class))
        })
    })
}

/// Returns `true` if the set has a rule.
#[must_use]
pub fn is_built(set: FeatureSet) -> bool {
    sets::rule(set).is_ok()
}
