//! Records of a source: bars, news and corporate actions.

use domain::calendar::{Date, day_open};
use domain::{Bar, Interval, Timestamp};

/// The maximum number of bytes of the id or the kind of an action, and of the id of an article.
pub(super) const ID_BYTES_MAX: usize = 256;

/// A news item about a symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// The source's id of the article.
    pub id: String,
    /// The time of publication.
    pub time: Timestamp,
    pub headline: String,
    pub url: Option<String>,
    /// -1 to 1.
    pub sentiment: Option<f64>,
}

/// The kind of a corporate action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionKind {
    Split,
    Dividend,
    Other,
}

/// A corporate action of a symbol. Its place in the series is its ex-date: an action counts by that alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// The source's id of the action.
    pub id: String,
    pub kind: ActionKind,
    pub ex_date: Date,
    /// The time of the announcement. `None` if the source does not have it.
    pub announced: Option<Timestamp>,
    /// New shares per old share.
    pub ratio: Option<f64>,
    /// Cash per share.
    pub amount: Option<f64>,
}

/// Records of one series, ascending by time. Bars have different times.
#[derive(Debug, Clone, PartialEq)]
pub enum Records {
    Bars(Vec<Bar>),
    News(Vec<News>),
    Actions(Vec<Action>),
}

// === impl ActionKind ===

impl ActionKind {
    /// Returns the name in the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Dividend => "dividend",
            Self::Other => "other",
        }
    }
}

// === impl Action ===

impl Action {
    /// Returns the start of the ex-date in New York.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        day_open(self.ex_date)
    }
}

// === impl Records ===

impl Records {
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Bars(bars) => bars.len(),
            Self::News(news) => news.len(),
            Self::Actions(actions) => actions.len(),
        }
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of records within `range`.
    #[must_use]
    pub fn count_within(&self, range: Interval) -> usize {
        match self {
            Self::Bars(bars) => within(bars, |bar| bar.open_time, range).len(),
            Self::News(news) => within(news, |item| item.time, range).len(),
            Self::Actions(actions) => within(actions, Action::time, range).len(),
        }
    }

    /// Keeps the records whose time is accepted.
    pub fn retain(&mut self, is_kept: impl Fn(Timestamp) -> bool) {
        match self {
            Self::Bars(bars) => bars.retain(|bar| is_kept(bar.open_time)),
            Self::News(news) => news.retain(|item| is_kept(item.time)),
            Self::Actions(actions) => actions.retain(|action| is_kept(action.time())),
        }
    }
}

/// Returns the part of ascending records whose times are within `range`.
pub(crate) fn within<R>(records: &[R], time: impl Fn(&R) -> Timestamp, range: Interval) -> &[R] {
    let first = records.partition_point(|record| time(record) < range.start());
    let after = records.partition_point(|record| time(record) < range.end());
    &records[first..after]
}
