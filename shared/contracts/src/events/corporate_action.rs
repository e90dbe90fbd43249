//! `market.corporate-action.announced`: splits, dividends and other corporate actions.

use crate::bounds::RATIO_MAX;
use crate::event::{Event, topic_schema_envelope};
use crate::record::event;
use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::{date, instant};

event! {
    /// A split, dividend or other corporate action of a symbol was announced. Its event id is a UUID v5 of the source and its action id,
    /// so an action that is fetched again has the same. The feature service adjusts bars by the splits: of a symbol and an ex-date the
    /// newest record counts, and a split with the ratio 1 withdraws it.
    pub struct CorporateAction {
        /// Ticker symbol, such as `AAPL` or `BRK.B`. Key of the record; its partition is the partition of the symbol.
        pub symbol: String,
        /// Time of the announcement; the start of the ex-date in New York if the source does not have it.
        #[serde(with = "instant")]
        pub time: i64,
        /// Kind of the action: backfill maps the words of its source to `split`, `dividend` or `other`. 1 to 256 bytes.
        pub kind: String,
        /// Number of new shares per old share, above 0, at most 10,000. Absent if the action is not a split.
        #[serde(default)]
        pub ratio: Option<f64>,
        /// Cash per share, finite. Absent if no cash is paid.
        #[serde(default)]
        pub amount: Option<f64>,
        /// Ex-date: the first date on which a buyer is not entitled to the action. In days since 1970-01-01.
        #[serde(with = "date")]
        pub ex_date: i32,
    }
}

impl Event for CorporateAction {
    topic_schema_envelope!(CorporateActionAnnounced, "market.corporate-action.announced/v1");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("time", rules::instant(self.time))?;
        at.field("kind", rules::id(&self.kind))?;
        if let Some(ratio) = self.ratio {
            at.field("ratio", rules::finite(ratio))?;
            at.field("ratio", rules::check(ratio > 0.0, || format!("{ratio} is not above 0")))?;
            at.field("ratio", rules::check(ratio <= RATIO_MAX, || format!("{ratio} is above {RATIO_MAX}")))?;
        }
        if let Some(amount) = self.amount {
            at.field("amount", rules::finite(amount))?;
        }
        at.field("ex_date", rules::day(self.ex_date))
    }
}
