//! The coverage of a symbol as text that fits into the columns of the terminal.

use domain::calendar::Date;

use super::report::{CoverageReport, SeriesReport, Verdict};
use crate::history::DayState;
use crate::output::wrapped;

/// Characters in front of a bar: the name of the series.
const NAME_COLUMNS: usize = 18;

/// The least and the most characters of a bar.
const BAR_COLUMNS: (usize, usize) = (10, 160);

/// The character of each state, and its name in the legend.
const LEGEND: [(DayState, char, &str); 6] = [
    (DayState::Held, '█', "held"),
    (DayState::Uncovered, '▓', "held, not covered"),
    (DayState::Empty, '░', "confirmed empty"),
    (DayState::Pending, '~', "pending"),
    (DayState::Partial, '▄', "partly missing"),
    (DayState::Missing, '·', "missing"),
];

/// Returns the text of a report for this number of columns.
pub(super) fn text(report: &CoverageReport, columns: usize) -> String {
    let mut text = format!("{}  partition {}\n", report.symbol, report.partition);
    let bar_columns = columns.saturating_sub(NAME_COLUMNS + 1).clamp(BAR_COLUMNS.0, BAR_COLUMNS.1);
    for series in &report.series {
        let name = format!("{} {}", series.data_type, series.timeframe);
        let cells = cells(&series.states, bar_columns);
        let bar: String = cells.iter().collect();
        text.push_str(format!("\n{name:<NAME_COLUMNS$}{bar}").trim_end());
        text.push('\n');
        text.push_str(&wrapped(&counts(series), columns));
    }
    if !report.series.is_empty() {
        let legend: Vec<String> =
            LEGEND.iter().map(|(_, character, name)| format!("{character} {name}")).collect();
        text.push('\n');
        text.push_str(&wrapped(&legend, columns));
        let verdicts = report.verdicts.iter();
        let verdicts: Vec<String> =
            verdicts.map(|(verdict, count)| format!("{} {count}", verdict.as_str())).collect();
        text.push_str(&wrapped(&[&["sessions:".to_owned()], &verdicts[..]].concat(), columns));
        text.push_str(&wrapped(&worst_sessions(report), columns));
    }
    for open in &report.open_requests {
        let chunks = open.chunks.map(|(done, total)| format!(", chunk {done} of {total}"));
        let (state, chunks) = (open.state, chunks.unwrap_or_default());
        text.push_str(&format!("open request {}: {state}{chunks}\n", open.backfill_id));
    }
    if report.skipped_records > 0 {
        text.push_str(&format!("{} records without a valid event\n", report.skipped_records));
    }
    text
}

fn counts(series: &SeriesReport) -> Vec<String> {
    let SeriesReport { from, to, slots, .. } = series;
    let mut counts = vec![
        format!("{from} to {to}:"),
        format!("held {} of {}", slots.held, slots.expected),
        format!("covered {}", slots.covered),
        format!("confirmed empty {}", slots.confirmed_empty),
        format!("pending {}", slots.pending),
        format!("missing {}", slots.missing),
        format!("held and not covered {}", slots.uncovered),
    ];
    if series.bars_off_session > 0 {
        counts.push(format!("bars outside sessions {}", series.bars_off_session));
    }
    if series.is_refetching {
        counts.push("being fetched again".to_owned());
    }
    counts
}

/// Names the first session of each verdict but `available`.
fn worst_sessions(report: &CoverageReport) -> Vec<String> {
    let first = |verdict: Verdict| report.days.iter().find(|day| day.verdict == verdict);
    let named = Verdict::ALL
        .into_iter()
        .skip(1)
        .filter_map(|verdict| first(verdict).map(|day| format!("first {}: {}", verdict.as_str(), day.date)));
    named.collect()
}

/// Returns a character for each of `count` equal parts of the sessions, at most one for each session.
fn cells(states: &[(Date, DayState)], count: usize) -> Vec<char> {
    let count = count.min(states.len());
    let part = |index: usize| &states[index * states.len() / count..(index + 1) * states.len() / count];
    (0..count).map(|index| character(part(index))).collect()
}

/// Returns the character of the worst state. Sessions of which not all are missing are partly missing.
fn character(states: &[(Date, DayState)]) -> char {
    let worst = states.iter().map(|(_, state)| *state).max().unwrap_or(DayState::Missing);
    let is_mixed = worst == DayState::Missing && states.iter().any(|(_, state)| *state != worst);
    let shown = if is_mixed { DayState::Partial } else { worst };
    LEGEND.iter().find(|(state, ..)| *state == shown).map_or('?', |(_, character, _)| *character)
}

#[cfg(test)]
mod tests;
