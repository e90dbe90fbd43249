//! The events, a module each: the wire struct and its rules.

mod alert;
mod closed_bar;
mod corporate_action;
mod coverage_change;
mod feature_request;
mod gap;
mod news_item;
mod promotion;
mod proposal;
mod qualification;
mod range_completion;
mod range_failure;
mod range_progress;
mod range_request;
mod request_failure;
mod vector;

pub use alert::{Alert, MAX_METADATA_BYTES, MAX_METADATA_KEYS};
pub use closed_bar::ClosedBar;
pub use corporate_action::CorporateAction;
pub use coverage_change::{CoverageChange, Span};
pub use feature_request::{FeatureRequest, MAX_FEATURE_SETS, MAX_SYMBOLS, RequestedSymbol};
pub use gap::Gap;
pub use news_item::NewsItem;
pub use promotion::Promotion;
pub use proposal::Proposal;
pub use qualification::Qualification;
pub use range_completion::{MAX_ERRORS, RangeCompletion, TypedRange};
pub use range_failure::RangeFailure;
pub use range_progress::RangeProgress;
pub use range_request::{MAX_SPAN_MICROS, RangeRequest};
pub use request_failure::RequestFailure;
pub use vector::{SetResult, Vector};

use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::DataKind;

/// What all backfill events about one backfill share.
fn check_backfill(at: Place, backfill_id: &str, attempt: i32, symbol: &str) -> Result<(), Violation> {
    at.field("backfill_id", rules::uuid(backfill_id))?;
    at.field("attempt", rules::at_least(attempt.into(), 1))?;
    at.field("symbol", rules::symbol(symbol))
}

/// Data types that are known, unique, and at least one.
fn check_kinds(at: Place, kinds: &[DataKind]) -> Result<(), Violation> {
    at.field("data_types", rules::count(kinds.len(), 1..=DataKind::ALL.len()))?;
    for (index, kind) in kinds.iter().enumerate() {
        at.item("data_types", index, "", rules::kind(*kind))?;
        let twice = kinds[..index].contains(kind);
        at.item("data_types", index, "", rules::check(!twice, || format!("{kind} is there twice")))?;
    }
    Ok(())
}
