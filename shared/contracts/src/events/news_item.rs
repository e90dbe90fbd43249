//! `market.news.published`: news about symbols.

use crate::bounds::TEXT_BYTES_MAX;
use crate::event::{Event, topic_schema_envelope};
use crate::record::event;
use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::instant;

event! {
    /// A news item about a symbol was published. Its event id is a UUID v5 of the source, its article id and the symbol, so an item that is
    /// fetched again has the same. No component reads this topic yet.
    pub struct NewsItem {
        /// Ticker symbol, such as `AAPL` or `BRK.B`. Key of the record; its partition is the partition of the symbol.
        pub symbol: String,
        /// Time of publication.
        #[serde(with = "instant")]
        pub time: i64,
        /// Headline, not empty, at most 4 KiB.
        pub headline: String,
        /// Address of the full text, at most 4 KiB. Absent if the source does not provide it.
        #[serde(default)]
        pub url: Option<String>,
        /// Sentiment for the symbol, -1 (negative) to 1 (positive). Absent if the source does not provide it.
        #[serde(default)]
        pub sentiment: Option<f64>,
    }
}

impl Event for NewsItem {
    topic_schema_envelope!(NewsPublished, "market.news.published/v1");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: EventPath) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("time", rules::instant(self.time))?;
        at.field("headline", rules::text(&self.headline))?;
        if let Some(url) = &self.url {
            at.field("url", rules::at_most(url, TEXT_BYTES_MAX))?;
        }
        match self.sentiment {
            Some(sentiment) => at.field("sentiment", rules::within(sentiment, -1..=1)),
            None => Ok(()),
        }
    }
}
