//! `market.news.published`: news about a symbol.

use serde::{Deserialize, Serialize};

use crate::bounds::MAX_TEXT_BYTES;
use crate::event::{Event, described};
use crate::rules;
use crate::violation::{Place, Violation};
use crate::wire::instant;

/// News about a symbol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewsItem {
    /// UUID.
    pub event_id: String,
    /// When it happened; microseconds since 1970-01-01T00:00:00Z, as every time here.
    #[serde(with = "instant")]
    pub occurred_at: i64,
    /// The news source.
    pub source: String,
    /// Passed on from cause to effect.
    #[serde(default)]
    pub correlation_id: Option<String>,
    /// Ticker.
    pub symbol: String,
    /// When it was published.
    #[serde(with = "instant")]
    pub time: i64,
    /// For people.
    pub headline: String,
    /// Where it can be read.
    #[serde(default)]
    pub url: Option<String>,
    /// -1 (bad for the symbol) to 1 (good).
    #[serde(default)]
    pub sentiment: Option<f64>,
}

impl Event for NewsItem {
    described!(NewsPublished, "market.news.published");

    fn symbol(&self) -> &str {
        &self.symbol
    }

    fn check(&self, at: Place) -> Result<(), Violation> {
        at.field("symbol", rules::symbol(&self.symbol))?;
        at.field("time", rules::instant(self.time))?;
        at.field("headline", rules::text(&self.headline))?;
        if let Some(url) = &self.url {
            at.field("url", rules::at_most(url, MAX_TEXT_BYTES))?;
        }
        match self.sentiment {
            Some(sentiment) => at.field("sentiment", rules::within(sentiment, -1..=1)),
            None => Ok(()),
        }
    }
}
