//! Addresses of requests.

use domain::{Interval, Symbol, Timeframe};
use url::Url;

use super::actions::ActionDates;
use super::news::NewsRange;
use crate::config::{AlpacaFeed, SourceSection};

const BARS: &str = "/v2/stocks/bars";
const NEWS: &str = "/v1beta1/news";
const ACTIONS: &str = "/v1/corporate-actions";

/// The maximum number of articles of a page.
const NEWS_LIMIT: u16 = 50;

/// The maximum number of corporate actions of a page.
const ACTIONS_LIMIT: u16 = 1_000;

/// The parameters of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Query<'a> {
    Bars {
        symbols: &'a [Symbol],
        timeframe: Timeframe,
        range: Interval,
        /// The maximum number of bars of a page. `None`: the configured one.
        limit: Option<u16>,
    },
    News {
        symbols: &'a [Symbol],
        range: NewsRange,
    },
    Actions {
        symbols: &'a [Symbol],
        dates: ActionDates,
    },
}

/// The API with the parameters that all requests have.
pub(super) struct Api {
    url: Url,
    feed: AlpacaFeed,
    asof: String,
    page_limit: u16,
}

impl Api {
    /// Returns the API of a section. `None` if its address is invalid.
    pub(super) fn new(section: &SourceSection) -> Option<Self> {
        let (feed, asof, page_limit) = (section.feed, section.asof.clone(), section.page_limit);
        Some(Self { url: section.api_url()?, feed, asof, page_limit })
    }

    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    /// Returns the address of a page: the first one, or that of the token.
    pub(super) fn address(&self, query: Query<'_>, token: Option<&str>) -> Url {
        let mut url = self.url.clone();
        match query {
            Query::Bars { symbols, timeframe, range, limit } => {
                url.set_path(BARS);
                let mut pairs = url.query_pairs_mut();
                pairs
                    .append_pair("symbols", &names(symbols))
                    .append_pair("timeframe", timeframe_name(timeframe))
                    .append_pair("start", &range.start().to_string())
                    // Inclusive.
                    .append_pair("end", &range.last().to_string())
                    .append_pair("limit", &limit.unwrap_or(self.page_limit).to_string())
                    .append_pair("adjustment", "raw")
                    .append_pair("feed", self.feed.as_str());
                if !self.asof.is_empty() {
                    pairs.append_pair("asof", &self.asof);
                }
            }
            Query::News { symbols, range } => {
                url.set_path(NEWS);
                let mut pairs = url.query_pairs_mut();
                pairs
                    .append_pair("symbols", &names(symbols))
                    .append_pair("start", &range.start.to_string())
                    .append_pair("limit", &NEWS_LIMIT.to_string())
                    .append_pair("include_content", "false");
                if let Some(end) = range.end {
                    pairs.append_pair("end", &end.to_string());
                }
            }
            // Without `types`: all types.
            Query::Actions { symbols, dates } => {
                url.set_path(ACTIONS);
                url.query_pairs_mut()
                    .append_pair("symbols", &names(symbols))
                    .append_pair("start", &dates.first.to_string())
                    // Inclusive.
                    .append_pair("end", &dates.last.to_string())
                    .append_pair("limit", &ACTIONS_LIMIT.to_string());
            }
        }
        url.query_pairs_mut().append_pair("sort", "asc");
        if let Some(token) = token {
            url.query_pairs_mut().append_pair("page_token", token);
        }
        url
    }
}

fn names(symbols: &[Symbol]) -> String {
    symbols.iter().map(Symbol::as_str).collect::<Vec<_>>().join(",")
}

const fn timeframe_name(timeframe: Timeframe) -> &'static str {
    match timeframe {
        Timeframe::Minute1 => "1Min",
        Timeframe::Minute5 => "5Min",
        Timeframe::Hour1 => "1Hour",
        Timeframe::Day1 => "1Day",
    }
}
