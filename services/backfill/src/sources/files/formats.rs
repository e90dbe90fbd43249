//! Formats of news and corporate actions in files.

use contracts::bounds::{RATIO_MAX, TEXT_BYTES_MAX};
use domain::calendar::day_open;
use domain::{Symbol, Timestamp};
use jiff::tz::TimeZone;

use crate::rules::file_columns::{ACTIONS, ACTIONS_OPTIONAL, NEWS, NEWS_OPTIONAL};
use crate::sources::csv_file::{Format, Row, RowError};
use crate::sources::records::{Action, ActionKind, ID_BYTES_MAX, News};

/// The maximum time from an announcement to the ex-date: 400 days.
const ANNOUNCED_MICROS_MAX: i64 = 400 * 86_400_000_000;

/// News by their time of publication.
#[derive(Debug, Clone)]
pub(super) struct NewsFormat {
    /// The time zone of times without an offset.
    pub(super) zone: Option<TimeZone>,
}

/// Corporate actions by their ex-date.
#[derive(Debug, Clone)]
pub(super) struct ActionFormat {
    /// The time zone of announcements without an offset.
    pub(super) zone: Option<TimeZone>,
    /// The symbol of the actions, a part of the ids that the file does not have.
    pub(super) symbol: Symbol,
}

impl Format for NewsFormat {
    type Record = News;

    fn columns(&self) -> &'static [&'static str] {
        &NEWS
    }

    fn optional_columns(&self) -> &'static [&'static str] {
        &NEWS_OPTIONAL
    }

    fn time(&self, row: &Row<'_>) -> Result<Timestamp, RowError> {
        row.time("time", self.zone.as_ref())
    }

    fn record(&self, row: &Row<'_>, time: Timestamp) -> Result<News, RowError> {
        let headline = row.text("headline", TEXT_BYTES_MAX)?;
        let url = row.optional("url").map(|_| row.text("url", TEXT_BYTES_MAX)).transpose()?;
        let sentiment = row.optional("sentiment").map(|_| row.number("sentiment")).transpose()?;
        if let Some(value) = sentiment.filter(|value| !(-1.0..=1.0).contains(value)) {
            return Err(RowError::OutOfRange { column: "sentiment", value, expected: "-1 to 1" });
        }
        let id = match row.optional("id") {
            Some(_) => row.text("id", ID_BYTES_MAX)?,
            None => format!("{}|{headline}", time.micros()),
        };
        Ok(News { id, time, headline, url, sentiment })
    }

    fn time_of(item: &News) -> Timestamp {
        item.time
    }

    fn id_of(item: &News) -> Option<&str> {
        Some(&item.id)
    }

    fn period_end(&self, time: Timestamp) -> Timestamp {
        time.saturating_add_micros(1)
    }

    fn complete_at(&self, time: Timestamp) -> Timestamp {
        time
    }

    fn may_repeat(&self) -> bool {
        true
    }

    fn text(&self, time: Timestamp) -> String {
        time.to_string()
    }
}

impl Format for ActionFormat {
    type Record = Action;

    fn columns(&self) -> &'static [&'static str] {
        &ACTIONS
    }

    fn optional_columns(&self) -> &'static [&'static str] {
        &ACTIONS_OPTIONAL
    }

    fn time(&self, row: &Row<'_>) -> Result<Timestamp, RowError> {
        Ok(day_open(row.date("ex_date")?))
    }

    fn record(&self, row: &Row<'_>, time: Timestamp) -> Result<Action, RowError> {
        let ex_date = domain::calendar::date_of(time);
        let kind = kind_of(&row.text("kind", ID_BYTES_MAX)?);
        let number = |column| row.optional(column).map(|_| row.number(column)).transpose();
        let (ratio, amount) = (number("ratio")?, number("amount")?);
        let announced = row.optional("time").map(|_| row.time("time", self.zone.as_ref())).transpose()?;
        if let Some(value) = ratio.filter(|value| !(*value > 0.0 && *value <= RATIO_MAX)) {
            return Err(RowError::OutOfRange { column: "ratio", value, expected: "above 0, to 10000" });
        }
        match kind {
            ActionKind::Split if ratio.is_none() => return Err(RowError::MissingField { column: "ratio" }),
            ActionKind::Dividend if amount.is_none() => {
                return Err(RowError::MissingField { column: "amount" });
            }
            _ => {}
        }
        let named = format!("{}|{}|{ex_date}", self.symbol, kind.as_str());
        let id = match (row.optional("id"), amount) {
            (Some(_), _) => row.text("id", ID_BYTES_MAX)?,
            // A date has one split, and may have several dividends.
            (None, Some(amount)) if kind != ActionKind::Split => format!("{named}|{amount}"),
            (None, _) => named,
        };
        Ok(Action { id, kind, ex_date, announced, ratio, amount })
    }

    fn time_of(action: &Action) -> Timestamp {
        action.time()
    }

    fn id_of(action: &Action) -> Option<&str> {
        Some(&action.id)
    }

    fn period_end(&self, time: Timestamp) -> Timestamp {
        let date = domain::calendar::date_of(time);
        day_open(date.tomorrow().unwrap_or(date))
    }

    /// Actions are announced before their ex-date; a date that is further away is a wrong one.
    fn complete_at(&self, time: Timestamp) -> Timestamp {
        time.saturating_add_micros(-ANNOUNCED_MICROS_MAX)
    }

    fn may_repeat(&self) -> bool {
        true
    }

    fn text(&self, time: Timestamp) -> String {
        domain::calendar::date_of(time).to_string()
    }
}

/// Returns the kind that a word means.
fn kind_of(word: &str) -> ActionKind {
    match word.to_ascii_lowercase().replace([' ', '-'], "_").as_str() {
        "split" | "stock_split" | "forward_split" | "reverse_split" => ActionKind::Split,
        "dividend" | "cash_dividend" => ActionKind::Dividend,
        _ => ActionKind::Other,
    }
}
