//! News: the form of their pages, the checks of each article, and the range of a request.
//!
//! The vendor selects and sorts articles by their last update. An article has its place by its creation, so the requested range ends
//! later than the range of the call.

use std::collections::{BTreeMap, BTreeSet};

use contracts::bounds::TEXT_BYTES_MAX;
use domain::{Interval, Symbol, Timestamp};
use serde::Deserialize;

use super::pages::{
    Bounded, BySymbol, Content, ItemError, Items, PageError, RECORD_BYTES_MAX, empty, nullable, short,
};
use crate::sources::records::News;

/// The maximum number of symbols in a request: a page has 50 articles, and a request with many would need more pages than fit its time.
pub(super) const NEWS_SYMBOLS_MAX: usize = 8;

/// The time after its creation in which an update of an article is followed.
const UPDATE_MICROS_MAX: i64 = 7 * 86_400_000_000;

const HOUR_MICROS: i64 = 3_600_000_000;

#[derive(Deserialize)]
pub(super) struct PageBody {
    /// `null` if there are none.
    #[serde(deserialize_with = "nullable")]
    news: Option<Items>,
    /// `null` on the last page.
    #[serde(deserialize_with = "nullable")]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct ArticleBody {
    id: u64,
    headline: String,
    created_at: String,
    updated_at: String,
    #[serde(default)]
    url: Option<String>,
    symbols: Bounded<Vec<String>>,
}

/// The range of a request: articles that were created or updated within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NewsRange {
    pub(super) start: Timestamp,
    /// Inclusive. `None`: the time of the request.
    pub(super) end: Option<Timestamp>,
}

/// The news of all pages of a request.
pub(super) struct Articles {
    range: NewsRange,
    news: BySymbol<News>,
    /// The time of the last update of each article, by id.
    updates: BTreeMap<u64, Timestamp>,
    last_update: Option<Timestamp>,
    bytes: usize,
}

/// An article about the requested ones of its symbols.
struct Article {
    id: u64,
    updated: Timestamp,
    symbols: BTreeSet<Symbol>,
    news: News,
}

impl NewsRange {
    /// Returns the range of a request for the news of `range`. It starts and ends at full hours, so that calls for almost the same range
    /// are joined.
    pub(super) fn of(range: Interval, now: Timestamp) -> Self {
        let floor = |micros: i64| micros.div_euclid(HOUR_MICROS) * HOUR_MICROS;
        let start = Timestamp::from_micros(floor(range.start().micros()));
        let end = range.end().micros().saturating_add(UPDATE_MICROS_MAX).saturating_add(HOUR_MICROS - 1);
        let end = Some(Timestamp::from_micros(floor(end))).filter(|end| *end < now);
        Self { start, end }
    }

    fn contains(self, time: Timestamp) -> bool {
        time >= self.start && self.end.is_none_or(|end| time <= end)
    }
}

impl Articles {
    pub(super) fn new(symbols: &[Symbol], range: NewsRange) -> Self {
        Self { range, news: empty(symbols), updates: BTreeMap::new(), last_update: None, bytes: 0 }
    }

    fn add_article(&mut self, article: Article) -> Result<(), PageError> {
        let Article { id, symbols, updated, news } = article;
        self.last_update = Some(updated);
        if self.updates.insert(id, updated).is_some() {
            // It was updated between the requests of two pages.
            self.news.values_mut().for_each(|items| items.retain(|item| item.id != news.id));
        }
        let bytes = news.headline.len() + news.url.as_ref().map_or(0, String::len) + size_of::<News>();
        self.bytes = self.bytes.saturating_add(bytes.saturating_mul(symbols.len()));
        if self.bytes > RECORD_BYTES_MAX {
            return Err(PageError::TooMuch(RECORD_BYTES_MAX));
        }
        for symbol in symbols {
            if let Some(items) = self.news.get_mut(&symbol) {
                items.push(news.clone());
            }
        }
        Ok(())
    }

    fn checked(&self, item: &str) -> Result<Article, ItemError> {
        let body: ArticleBody = serde_json::from_str(item).map_err(ItemError::Form)?;
        let time = |field, text: &str| {
            Timestamp::parse(text).map_err(|cause| ItemError::Time { field, text: short(text, 40), cause })
        };
        let created = time("created_at", &body.created_at)?;
        let updated = time("updated_at", &body.updated_at)?;
        let named = body.symbols.0.iter().filter_map(|name| Symbol::parse(name).ok());
        let symbols: BTreeSet<Symbol> = named.filter(|symbol| self.news.contains_key(symbol)).collect();
        if symbols.is_empty() {
            return Err(ItemError::Symbols(short(&body.symbols.0.join(","), 64)));
        }
        if updated < created {
            return Err(ItemError::Updated { created, updated });
        }
        if !self.range.contains(created) && !self.range.contains(updated) {
            return Err(ItemError::OutOfRange(format!("article that was updated at {updated}")));
        }
        if let Some(previous) = self.last_update.filter(|previous| *previous > updated) {
            let article = format!("article that was updated at {updated}");
            return Err(ItemError::Unsorted(article, previous.to_string()));
        }
        if self.updates.get(&body.id) == Some(&updated) {
            return Err(ItemError::Repeated(body.id.to_string()));
        }
        let headline = text("headline", body.headline)?;
        if headline.trim().is_empty() {
            return Err(ItemError::Empty { field: "headline" });
        }
        let url = body.url.filter(|url| !url.is_empty()).map(|url| text("url", url)).transpose()?;
        let news = News { id: body.id.to_string(), time: created, headline, url, sentiment: None };
        Ok(Article { id: body.id, updated, symbols, news })
    }
}

impl Content for Articles {
    type Body = PageBody;
    type Record = News;

    fn add(&mut self, page: PageBody) -> Result<Option<String>, PageError> {
        for (item, body) in (1..).zip(page.news.map_or_else(Vec::new, |news| news.0)) {
            let article =
                self.checked(body.get()).map_err(|cause| PageError::Item { list: "news", item, cause })?;
            self.add_article(article)?;
        }
        Ok(page.next_page_token)
    }

    /// Sorts the news by creation, then by id.
    fn into_records(mut self) -> BySymbol<News> {
        for items in self.news.values_mut() {
            items.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        }
        self.news
    }
}

fn text(field: &'static str, text: String) -> Result<String, ItemError> {
    let (bytes, max) = (text.len(), TEXT_BYTES_MAX);
    if bytes > max { Err(ItemError::Long { field, bytes, max }) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn requested_range_has_the_updates_of_a_week() {
        let range = Interval::new(at("2024-06-03T14:31:07Z"), at("2024-06-05T09:15:00Z")).unwrap();
        let start = at("2024-06-03T14:00:00Z");
        let long_ago = NewsRange::of(range, at("2024-07-01T00:00:00Z"));
        assert_eq!(long_ago, NewsRange { start, end: Some(at("2024-06-12T10:00:00Z")) });
        // The updates of the last hour are not requested by their time: the clocks may differ.
        let recent = NewsRange::of(range, at("2024-06-12T10:00:00Z"));
        assert_eq!(recent, NewsRange { start, end: None });
    }

    fn add(articles: &mut Articles, id: u64, updated: &str) -> Result<Option<String>, PageError> {
        let headline = format!("Update of {updated}");
        let article = serde_json::json!({
            "id": id, "headline": headline, "created_at": "2024-06-03T14:00:00Z", "updated_at": updated,
            "url": "", "symbols": ["AAPL", "$BTC"],
        });
        let page = serde_json::json!({ "news": [article], "next_page_token": null });
        articles.add(serde_json::from_str(&page.to_string()).unwrap())
    }

    #[test]
    fn article_that_is_updated_between_pages_counts_once() {
        let range = NewsRange { start: at("2024-06-01T00:00:00Z"), end: None };
        let mut articles = Articles::new(&[Symbol::constant("AAPL")], range);
        add(&mut articles, 7, "2024-06-03T14:00:00Z").unwrap();
        add(&mut articles, 8, "2024-06-03T14:00:01Z").unwrap();
        add(&mut articles, 7, "2024-06-03T14:00:02Z").unwrap();
        let news = articles.into_records().remove(&Symbol::constant("AAPL")).unwrap();
        let texts: Vec<_> = news.iter().map(|item| (item.id.as_str(), item.headline.as_str())).collect();
        assert_eq!(texts, [("7", "Update of 2024-06-03T14:00:02Z"), ("8", "Update of 2024-06-03T14:00:01Z")]);
        assert!(news.iter().all(|item| item.url.is_none()));
    }

    #[test]
    fn texts_of_a_call_are_bounded() {
        let range = NewsRange { start: at("2024-06-01T00:00:00Z"), end: None };
        let mut articles = Articles::new(&[Symbol::constant("AAPL")], range);
        articles.bytes = RECORD_BYTES_MAX - size_of::<News>();
        let error = add(&mut articles, 7, "2024-06-03T14:00:00Z").unwrap_err();
        assert!(matches!(error, PageError::TooMuch(RECORD_BYTES_MAX)), "{error}");
    }
}
