//! The coverage of a symbol as a drawing (SVG).

use super::report::{CoverageReport, SeriesReport};
use crate::history::DayState;

/// Width of the drawing, and the part of it left of the bars.
const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 150.0;

/// Height of a bar with its two texts.
const ROW: f64 = 46.0;

/// Height above the first bar.
const TOP: f64 = 70.0;

/// The color of each state, and its name in the legend.
const LEGEND: [(DayState, &str, &str); 6] = [
    (DayState::Held, "#2a7f62", "held"),
    (DayState::Uncovered, "#8fc7ae", "held, not covered"),
    (DayState::Empty, "#c9c9d4", "confirmed empty"),
    (DayState::Pending, "#f2b134", "pending"),
    (DayState::Partial, "#e4845c", "partly missing"),
    (DayState::Missing, "#b3261e", "missing"),
];

/// Returns the drawing: a bar for each series, with a rectangle for each run of sessions in the same state. All texts are from closed sets
/// or are symbols and dates, which need no escapes.
pub(super) fn drawing(report: &CoverageReport) -> String {
    let height = TOP + ROW * count(report.series.len().max(1));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>Coverage of {0}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"24\" font-size=\"16\">{0}</text>\n",
        report.symbol
    );
    for (index, (_, color, name)) in LEGEND.iter().enumerate() {
        let x = 10.0 + 150.0 * count(index);
        svg.push_str(&format!(
            "<rect x=\"{x}\" y=\"38\" width=\"12\" height=\"12\" fill=\"{color}\"/><text x=\"{}\" y=\"48\">{name}</text>\n",
            x + 17.0
        ));
    }
    if report.series.is_empty() {
        svg.push_str(&format!(
            "<text x=\"10\" y=\"{}\">nothing is held, covered or requested</text>\n",
            TOP + 20.0
        ));
    }
    for (index, series) in report.series.iter().enumerate() {
        add_series(&mut svg, series, TOP + ROW * count(index));
    }
    svg.push_str("</svg>\n");
    svg
}

fn add_series(svg: &mut String, series: &SeriesReport, y: f64) {
    let (data_type, timeframe, slots) = (series.data_type, series.timeframe, &series.slots);
    svg.push_str(&format!("<text x=\"10\" y=\"{}\">{data_type} {timeframe}</text>\n", y + 15.0));
    let step = (WIDTH - LEFT - 10.0) / count(series.states.len().max(1));
    let runs = series.states.chunk_by(|(_, a), (_, b)| a == b);
    let mut position = 0;
    for run in runs {
        let (Some((first, state)), Some((last, _))) = (run.first(), run.last()) else { continue };
        let (color, name) = style(*state);
        let (x, width) = (LEFT + step * count(position), step * count(run.len()));
        svg.push_str(&format!(
            "<rect x=\"{x:.2}\" y=\"{y}\" width=\"{width:.2}\" height=\"20\" fill=\"{color}\"><title>{first} to {last}: {name}</title></rect>\n"
        ));
        position += run.len();
    }
    svg.push_str(&format!(
        "<text x=\"{LEFT}\" y=\"{}\" fill=\"#555\">{} to {}: held {} of {}, confirmed empty {}, pending {}, missing {}</text>\n",
        y + 34.0,
        series.from,
        series.to,
        slots.held,
        slots.expected,
        slots.confirmed_empty,
        slots.pending,
        slots.missing
    ));
}

fn style(state: DayState) -> (&'static str, &'static str) {
    let found = LEGEND.iter().find(|(known, ..)| *known == state);
    found.map_or(("black", ""), |(_, color, name)| (*color, *name))
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use domain::Symbol;

    use super::super::report::CoverageReport;
    use super::drawing;
    use crate::history::SymbolHistory;

    #[test]
    fn empty_history_is_drawn_as_such() {
        let symbol = Symbol::parse("AAPL").unwrap();
        let report = CoverageReport::new(symbol, 3, SymbolHistory::default(), (None, None));
        let svg = drawing(&report);
        assert!(svg.contains("nothing is held, covered or requested"), "{svg}");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    }
}
