//! Event types. Each module has the wire struct of an event and its rules.

mod alert;
mod backfill;
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

pub use alert::{Alert, METADATA_BYTES_MAX, METADATA_KEYS_MAX};
pub use closed_bar::ClosedBar;
pub use corporate_action::CorporateAction;
pub use coverage_change::{CoverageChange, RefetchAttempt, RequestedSpan, Span, WantedSeries};
pub use feature_request::{FEATURE_SETS_MAX, FeatureRequest, RequestedSymbol, SYMBOLS_MAX};
pub use gap::Gap;
pub use news_item::NewsItem;
pub use promotion::Promotion;
pub use proposal::Proposal;
pub use qualification::Qualification;
pub use range_completion::{ERRORS_MAX, RangeCompletion, TypedRange};
pub use range_failure::RangeFailure;
pub use range_progress::RangeProgress;
pub use range_request::{RangeRequest, SPAN_MICROS_MAX};
pub use request_failure::RequestFailure;
pub use vector::{SetResult, Vector};

use crate::record::RecordDocs;

/// Documentation of all wire structs.
pub(crate) const RECORDS: &[RecordDocs] = &[
    Alert::DOCS,
    ClosedBar::DOCS,
    CorporateAction::DOCS,
    CoverageChange::DOCS,
    FeatureRequest::DOCS,
    Gap::DOCS,
    NewsItem::DOCS,
    Promotion::DOCS,
    Proposal::DOCS,
    Qualification::DOCS,
    RangeCompletion::DOCS,
    RangeFailure::DOCS,
    RangeProgress::DOCS,
    RangeRequest::DOCS,
    RefetchAttempt::DOCS,
    RequestFailure::DOCS,
    RequestedSpan::DOCS,
    RequestedSymbol::DOCS,
    SetResult::DOCS,
    Span::DOCS,
    TypedRange::DOCS,
    Vector::DOCS,
    WantedSeries::DOCS,
];
