//! News of the synthetic market.

use domain::calendar::{Date, date_of, day_open, is_session};
use domain::{Interval, Symbol};
use kit::SaturatingFrom;

use super::random::{below, dated, unit};
use crate::sources::records::News;

const SESSIONS_A_MONTH: f64 = 21.0;

/// The minutes of a date with a session: clocks change on others.
const DAY_MINUTES: usize = 1_440;

const HEADLINES: [&str; 6] = [
    "reports its results of the quarter",
    "opens another factory",
    "names a chief financial officer",
    "raises its outlook of the year",
    "lowers its outlook of the year",
    "is under review by an agency",
];

/// Returns the news of a symbol that are published within `range`, ascending: at full minutes of dates with a session.
pub(super) fn news(seed: u64, symbol: Symbol, per_month: u16, range: Interval) -> Vec<News> {
    let first = date_of(range.start());
    let dates = std::iter::successors(Some(first), |date| date.tomorrow().ok());
    let dates = dates.take_while(|date| day_open(*date) < range.end());
    let mut news: Vec<News> = dates
        .filter(|date| is_session(*date))
        .flat_map(|date| of_date(seed, symbol, per_month, date))
        .collect();
    news.retain(|item| range.contains(item.time));
    news
}

fn of_date(seed: u64, symbol: Symbol, per_month: u16, date: Date) -> Vec<News> {
    let mut rng = dated(seed, symbol, date, "news");
    let expected = f64::from(per_month) / SESSIONS_A_MONTH;
    let more = unit(&mut rng) < expected.fract();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 3,121")]
    let count = expected.floor() as usize + usize::from(more);
    let mut news: Vec<News> = (0..count)
        .map(|index| {
            let minute = i64::saturating_from(below(&mut rng, DAY_MINUTES));
            let headline = HEADLINES[below(&mut rng, HEADLINES.len())];
            News {
                id: format!("{date}|{index}"),
                time: day_open(date).saturating_add_micros(minute * 60_000_000),
                headline: format!("{symbol} {headline}"),
                url: None,
                sentiment: Some((unit(&mut rng) * 200.0 - 100.0).round() / 100.0),
            }
        })
        .collect();
    news.sort_by_key(|item| item.time);
    news
}
