//! `market.corporate-action.announced`: a split, a dividend and the like.

use serde::{Deserialize, Serialize};

use crate::event::{Event, described};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::{date, instant};

/// A corporate action of a symbol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorporateAction {
    /// UUID.
    pub event_id: String,
    /// When it happened; microseconds since 1970-01-01T00:00:00Z, as every time here.
    #[serde(with = "instant")]
    pub occurred_at: i64,
    /// The source of the announcement.
    pub source: String,
    /// Passed on from cause to effect.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// Ticker.
    pub symbol: String,
    /// When it was announced.
    #[serde(with = "instant")]
    pub time: i64,
    /// `split`, `dividend` and so on, as the source names it.
    pub kind: String,
    /// New shares for one old share; positive.
    #[serde(default)]
    pub ratio: Option<f64>,
    /// Cash per share.
    #[serde(default)]
    pub amount: Option<f64>,
    /// The first date without the right to it; days since 1970-01-01.
    #[serde(with = "date")]
    pub ex_date: i32,
}

impl Event for CorporateAction {
    described!(CorporateActionAnnounced, "market.corporate-action.announced");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("time", rules::instant(self.time))?;
        at.field("kind", rules::id(&self.kind))?;
        if let Some(ratio) = self.ratio {
            at.field("ratio", rules::finite(ratio))?;
            at.field("ratio", rules::check(ratio > 0.0, || format!("{ratio} is not above 0")))?;
        }
        if let Some(amount) = self.amount {
            at.field("amount", rules::finite(amount))?;
        }
        at.field("ex_date", rules::day(self.ex_date))
    }
}
