//! Path pattern: where the file of a series is below the folder.

use std::path::{Component, Path, PathBuf};

use domain::calendar::Date;
use domain::{DataType, Timeframe};

use crate::rules::series::Series;

const SYMBOL: &str = "{symbol}";
const TIMEFRAME: &str = "{timeframe}";
const DATA_TYPE: &str = "{data_type}";
const DATE: &str = "{date}";

const PARQUET: &str = ".parquet";

/// A valid pattern, such as `{data_type}/{date}/{symbol}.csv.gz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
}

/// Error of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("{{{name}}} is no placeholder: they are {{symbol}}, {{timeframe}}, {{data_type}} and {{date}}")]
    UnknownPlaceholder { name: String },
    #[error("{{ and }} are not in pairs")]
    Unbalanced,
    #[error("{{date}} may be named once")]
    RepeatedDate,
    #[error("a file is below the folder, without . and ..")]
    NotBelow,
    #[error("the name of a file ends in .csv, .csv.gz or .parquet")]
    OtherFormat,
}

impl PathPattern {
    /// The pattern of files `<SYMBOL>.csv`.
    #[must_use]
    pub fn of_symbols() -> Self {
        Self { text: format!("{SYMBOL}.csv") }
    }

    /// # Errors
    /// [`PatternError`]
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (opened, end) = (&rest[at..], rest[at..].find('}'));
            let end = end.filter(|end| *end > 0).ok_or(PatternError::Unbalanced)?;
            let placeholder = &opened[..=end];
            if ![SYMBOL, TIMEFRAME, DATA_TYPE, DATE].contains(&placeholder) {
                let name = placeholder.trim_matches(['{', '}']).to_owned();
                return Err(PatternError::UnknownPlaceholder { name });
            }
            rest = &opened[end + 1..];
        }
        if text.matches(DATE).count() > 1 {
            return Err(PatternError::RepeatedDate);
        }
        let mut components = Path::new(text).components();
        if text.is_empty() || !components.all(|component| matches!(component, Component::Normal(_))) {
            return Err(PatternError::NotBelow);
        }
        if ![".csv", ".csv.gz", PARQUET].iter().any(|end| text.ends_with(end)) {
            return Err(PatternError::OtherFormat);
        }
        Ok(Self { text: text.to_owned() })
    }

    /// Returns `true` if files of this data type have a place: without `{data_type}`, all files are bars, and without `{timeframe}`, day
    /// bars.
    #[must_use]
    pub fn has_place(&self, data_type: DataType, timeframe: Option<Timeframe>) -> bool {
        match (data_type, timeframe) {
            (DataType::MarketData, Some(timeframe)) => {
                timeframe == Timeframe::Day1 || self.text.contains(TIMEFRAME)
            }
            (DataType::News | DataType::CorporateActions, None) => self.text.contains(DATA_TYPE),
            _ => false,
        }
    }

    /// Returns `true` if files are Parquet; otherwise they are CSV.
    #[must_use]
    pub fn is_parquet(&self) -> bool {
        self.text.ends_with(PARQUET)
    }

    /// Returns `true` if a file has one symbol; otherwise its rows name their symbols.
    #[must_use]
    pub fn has_symbol(&self) -> bool {
        self.text.contains(SYMBOL)
    }

    #[must_use]
    pub fn has_date(&self) -> bool {
        self.text.contains(DATE)
    }

    /// Returns `true` if the date is in the name of a folder, not of a file.
    #[must_use]
    pub fn has_dated_folders(&self) -> bool {
        self.text.split_once(DATE).is_some_and(|(_, after)| after.contains('/'))
    }

    /// Returns the path of the file of a series, for files of a date on this date. A folder whose name would be empty is left out.
    #[must_use]
    pub fn path(&self, series: Series, date: Option<Date>) -> PathBuf {
        let date = date.map(|date| date.to_string()).unwrap_or_default();
        PathBuf::from(self.of_series(series).replace(DATE, &date))
    }

    /// Returns the folder whose entries have the dates of a series in their names, and what is before and after the date in these names.
    /// `None` without `{date}`.
    #[must_use]
    pub fn dated_names(&self, series: Series) -> Option<(PathBuf, String, String)> {
        let text = self.of_series(series);
        let (before, after) = text.split_once(DATE)?;
        let (folder, prefix) = before.rsplit_once('/').unwrap_or(("", before));
        let suffix = after.split('/').next().unwrap_or_default();
        Some((PathBuf::from(folder), prefix.to_owned(), suffix.to_owned()))
    }

    fn of_series(&self, series: Series) -> String {
        let timeframe = series.timeframe.map_or("", Timeframe::as_str);
        let text = self.text.replace(SYMBOL, series.symbol.as_str()).replace(TIMEFRAME, timeframe);
        let text = text.replace(DATA_TYPE, series.data_type.as_str());
        text.split('/').filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    use domain::Symbol;

    use super::*;

    fn series(data_type: DataType, timeframe: Option<Timeframe>) -> Series {
        Series { symbol: Symbol::parse("BRK.B").unwrap(), data_type, timeframe }
    }

    #[test]
    fn placeholders_are_replaced_and_empty_folders_left_out() {
        let pattern = PathPattern::parse("{data_type}/{timeframe}/{date}/{symbol}.csv.gz").unwrap();
        let minutes = series(DataType::MarketData, Some(Timeframe::Minute1));
        let date = Date::constant(2024, 6, 28);
        assert_eq!(pattern.path(minutes, Some(date)), Path::new("market_data/1min/2024-06-28/BRK.B.csv.gz"));
        let news = series(DataType::News, None);
        assert_eq!(pattern.path(news, Some(date)), Path::new("news/2024-06-28/BRK.B.csv.gz"));
        let names = pattern.dated_names(news).unwrap();
        assert_eq!(names, (PathBuf::from("news"), String::new(), String::new()));
        let flat = PathPattern::parse("{symbol}-{date}.csv").unwrap();
        let names = flat.dated_names(minutes).unwrap();
        assert_eq!(names, (PathBuf::new(), "BRK.B-".to_owned(), ".csv".to_owned()));
    }

    #[test]
    fn pattern_has_places_for_what_it_distinguishes() {
        let served = |text: &str| {
            let pattern = PathPattern::parse(text).unwrap();
            [
                pattern.has_place(DataType::MarketData, Some(Timeframe::Day1)),
                pattern.has_place(DataType::MarketData, Some(Timeframe::Minute5)),
                pattern.has_place(DataType::News, None),
                pattern.has_place(DataType::Options, None),
            ]
        };
        assert_eq!(served("{symbol}.csv"), [true, false, false, false]);
        assert_eq!(served("{timeframe}/{symbol}.csv"), [true, true, false, false]);
        assert_eq!(served("{data_type}/{symbol}.csv"), [true, false, true, false]);
    }

    #[test]
    fn invalid_patterns_are_rejected_with_their_cause() {
        for (text, error) in [
            ("{ticker}.csv", PatternError::UnknownPlaceholder { name: "ticker".to_owned() }),
            ("{symbol.csv", PatternError::Unbalanced),
            ("symbol}.csv", PatternError::Unbalanced),
            ("{date}/{date}.csv", PatternError::RepeatedDate),
            ("/{symbol}.csv", PatternError::NotBelow),
            ("../{symbol}.csv", PatternError::NotBelow),
            ("", PatternError::NotBelow),
            ("{symbol}.arrow", PatternError::OtherFormat),
        ] {
            assert_eq!(PathPattern::parse(text), Err(error), "{text}");
        }
    }
}
