//! Comparison of `docs/features.md` with the rules: one row per feature set, in the section of its status, with the names of its values.

#![expect(clippy::unwrap_used, reason = "a page that cannot be parsed is a failed test")]

use std::collections::{BTreeMap, BTreeSet};

use domain::{Bar, FeatureSet, FeatureSets, Timeframe, Timestamp};
use feature::rules::{Benchmarks, COMPARED, EarlierDays, SetResult, Window, compute, followed, is_built};

const HISTORY: u16 = 300;

/// The section of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Section {
    OwnBars,
    OtherBars,
    Time,
    NotBuilt,
    NoSource,
}

struct Row {
    section: Section,
    sets: Vec<String>,
    text: String,
}

fn page() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/features.md");
    std::fs::read_to_string(path).unwrap()
}

/// Returns the rows whose first cell names feature sets.
fn rows(page: &str) -> Vec<Row> {
    let mut section = None;
    let mut rows = Vec::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = match title {
                "Computed from the symbol's own bars" => Some(Section::OwnBars),
                "Computed from the bars of other symbols" => Some(Section::OtherBars),
                "Computed from time" => Some(Section::Time),
                "Not built yet" => Some(Section::NotBuilt),
                "Without a source" => Some(Section::NoSource),
                _ => None,
            };
        }
        let Some((sets, text)) = line.strip_prefix("| `").and_then(|row| row.split_once("` | ")) else {
            continue;
        };
        rows.push(Row {
            section: section.unwrap_or_else(|| panic!("row outside the known sections: {line}")),
            sets: sets.split("`, `").map(str::to_owned).collect(),
            text: text.strip_suffix(" |").unwrap().to_owned(),
        });
    }
    rows
}

/// The row of each set.
fn rows_by_set(page: &str) -> BTreeMap<String, Row> {
    let mut by_set = BTreeMap::new();
    for row in rows(page) {
        for set in &row.sets {
            let row = Row { section: row.section, sets: row.sets.clone(), text: row.text.clone() };
            assert!(by_set.insert(set.clone(), row).is_none(), "{set} has two rows");
        }
    }
    by_set
}

/// Removes the text in parentheses.
fn without_parentheses(text: &str) -> String {
    let mut depth = 0_i32;
    let outside = |c: &char| {
        depth += i32::from(*c == '(');
        let is_outside = depth == 0;
        depth -= i32::from(*c == ')');
        is_outside
    };
    text.chars().filter(outside).collect()
}

/// Expands `pivot_r1/r2/r3` to its three names.
fn alternatives(name: &str) -> Vec<String> {
    let mut parts = name.split('/');
    let first = parts.next().unwrap_or_default();
    let stem = first.rfind('_').map_or("", |end| &first[..=end]);
    std::iter::once(first.to_owned()).chain(parts.map(|part| format!("{stem}{part}"))).collect()
}

/// Returns the names in one item of a list, such as `bb_width=(u-l)/m`, `annualised: realized_10/20` or `open`. In an item of several
/// words only those with an underscore are names.
fn names_of_item(item: &str) -> Vec<String> {
    let item = item.split('=').next().unwrap_or_default();
    let words: Vec<&str> = item.split_whitespace().collect();
    let is_name = |word: &&&str| {
        word.len() > 1
            && word.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '/'))
            && (words.len() == 1 || word.contains('_'))
    };
    words.iter().filter(is_name).flat_map(|name| alternatives(name)).collect()
}

/// Returns the names of the values that a row documents. `periods` are those of the previous `for n in …` of the page.
fn documented_names(text: &str, periods: &mut Vec<String>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for clause in without_parentheses(text).split(';') {
        let mut clause = clause.trim().to_owned();
        if let Some((before, list)) = clause.clone().split_once("for n in ") {
            let (list, after) = list.split_once(':').unwrap_or((list, ""));
            *periods = list.split(',').map(|n| n.trim().to_owned()).collect();
            clause = format!("{before}{after}");
        }
        let mut others = Vec::new();
        if let Some((before, list)) = clause.clone().split_once(" and the same for ") {
            let list = list.split('=').next().unwrap_or_default();
            others.extend(list.split(',').map(|name| name.trim().to_owned()));
            clause = before.to_owned();
        }
        for name in clause.split(',').flat_map(names_of_item) {
            let of_others = others.iter().map(|other| name.replace("_spy_", &format!("_{other}_")));
            for name in of_others.chain([name.clone()]) {
                match name.strip_suffix("_n") {
                    Some(stem) => names.extend(periods.iter().map(|n| format!("{stem}_{n}"))),
                    None => assert!(names.insert(name.clone()), "{name} is documented twice"),
                }
            }
        }
    }
    names
}

/// Bars for which no value is omitted: all prices differ, and the waves are longer than the window of a swing point.
fn bars(phase: f64) -> Vec<Bar> {
    let bar = |day: u16| {
        let price = 100.0 + 10.0 * (f64::from(day) * 0.2 + phase).sin() + f64::from(day) * 0.01;
        let open_time = Timestamp::from_micros(i64::from(day) * 86_400_000_000);
        let volume = 1e6 + f64::from(day);
        Bar { open_time, open: price, high: price + 1.0, low: price - 0.8, close: price + 0.3, volume }
    };
    (0..HISTORY).map(bar).collect()
}

fn computed(set: FeatureSet) -> SetResult {
    let bars_of = |index: usize| bars(1.0 + 0.1 * f64::from(u8::try_from(index).unwrap()));
    let series = followed(&COMPARED).into_iter().enumerate().map(|(index, symbol)| (symbol, bars_of(index)));
    let benchmarks = Benchmarks::new(HISTORY.into(), COMPARED.to_vec(), series.collect());
    compute(set, &Window::new(Timeframe::Day1, &bars(0.0)).with_benchmarks(&benchmarks))
}

/// The values of a minute in a regular session, with day bars before it.
fn computed_in_a_session(set: FeatureSet) -> SetResult {
    let days = bars(0.0);
    let open_time = Timestamp::parse("1970-10-28T15:00:00Z").unwrap();
    let earlier = EarlierDays::before(open_time, &days, &[], HISTORY.into(), FeatureSets::all());
    let minutes = [Bar { open_time, ..days[0] }];
    compute(set, &Window::new(Timeframe::Minute1, &minutes).with_earlier_days(earlier))
}

/// `true` if the values of the same prices at other times differ.
fn depends_on_time(set: FeatureSet, result: &SetResult) -> bool {
    const DAYS: i64 = 46; // another weekday and another month
    let later =
        |bar: Bar| Bar { open_time: bar.open_time.saturating_add_micros(DAYS * 86_400_000_000), ..bar };
    let later: Vec<Bar> = bars(0.0).into_iter().map(later).collect();
    compute(set, &Window::new(Timeframe::Day1, &later)).values != result.values
}

#[test]
fn every_set_has_one_row_and_every_row_a_set() {
    let page = page();
    let documented: Vec<String> = rows_by_set(&page).into_keys().collect();
    let mut sets: Vec<&str> = FeatureSet::ALL.into_iter().map(FeatureSet::as_str).collect();
    sets.sort_unstable();
    assert_eq!(documented, sets);
    let built = FeatureSet::ALL.into_iter().filter(|set| is_built(*set)).count();
    for count in [format!("the {} sets", sets.len()), format!("{built} sets are computed today")] {
        assert!(page.contains(&count), "the page does not contain {count:?}");
    }
}

#[test]
fn computed_sets_have_exactly_the_documented_values() {
    let mut periods = Vec::new();
    for row in rows(&page()) {
        if row.section > Section::Time {
            continue;
        }
        let set = FeatureSet::ALL.into_iter().find(|set| row.sets == [set.as_str()]).unwrap();
        let result = if row.section == Section::Time { computed_in_a_session(set) } else { computed(set) };
        assert_eq!(result.reason, None, "{set:?}");
        let produced: BTreeSet<String> =
            result.values.into_iter().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(documented_names(&row.text, &mut periods), produced, "{set:?}: documented, produced");
    }
}

#[test]
fn every_set_is_in_the_section_of_its_source_and_reason() {
    let rows = rows_by_set(&page());
    let own = bars(0.0);
    for set in FeatureSet::ALL {
        let row = &rows[set.as_str()];
        let alone = compute(set, &Window::new(Timeframe::Day1, &own));
        let expected = match alone.reason.as_deref() {
            None if depends_on_time(set, &alone) => Section::Time,
            None => Section::OwnBars,
            Some("not built yet") => Section::NotBuilt,
            Some(reason) if reason.starts_with("no source of ") => Section::NoSource,
            Some(reason) => {
                assert!(reason.starts_with("no bars of "), "{set:?}: {reason}");
                Section::OtherBars
            }
        };
        assert_eq!((row.section, is_built(set)), (expected, row.section <= Section::Time), "{set:?}");
        if row.section == Section::NoSource {
            assert_eq!(alone.reason, Some(format!("no source of {}", row.text)), "{set:?}");
        }
    }
}
