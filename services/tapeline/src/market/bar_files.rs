//! The bar files of a folder.

use std::ffi::OsStr;
use std::fs::DirEntry;
use std::path::Path;

use backfill::sources::read_bars;
use domain::{Bar, Symbol, Timeframe, Timestamp, calendar};
use kit::ErrorChain;

use crate::exit::Failure;
use crate::output::escaped;

/// Characters of the error of one file: it may quote the file.
const ERROR_CHARACTERS_MAX: usize = 500;

/// The bars of a folder.
#[derive(Debug, Default)]
pub(super) struct BarFiles {
    pub(super) bars: Vec<(Symbol, Vec<Bar>)>,
    /// Files of other names and bars of the future, which are left out.
    pub(super) warnings: Vec<String>,
}

/// Reads every `<SYMBOL>.csv` of the folder. Bars that have not closed at `now` are left out with a warning: their alerts would be ahead of
/// the clock.
///
/// # Errors
/// [`Failure::Usage`]: a folder without bars, or the first error of each bar file, with its line.
pub(super) fn read(folder: &Path, now: Timestamp) -> Result<BarFiles, Failure> {
    let unreadable = |error: std::io::Error| Failure::file("read", folder, error);
    let mut files = BarFiles::default();
    let mut errors = Vec::new();
    let entries: Result<Vec<DirEntry>, _> = std::fs::read_dir(folder).map_err(unreadable)?.collect();
    let mut paths: Vec<_> = entries.map_err(unreadable)?.iter().map(DirEntry::path).collect();
    paths.sort_unstable();
    for path in paths {
        if path.extension() != Some(OsStr::new("csv")) {
            if is_similar(&path) {
                files
                    .warnings
                    .push(format!("{} is not read: the name of a bar file is <SYMBOL>.csv", path.display()));
            }
            continue;
        }
        let name = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        match (Symbol::parse(name), read_bars(&path)) {
            (Ok(symbol), Ok(bars)) => {
                let bars = files.without_future(&path, bars, now);
                files.bars.push((symbol, bars));
            }
            (Err(error), _) => errors.push(format!("{}: file name is not a symbol: {error}", path.display())),
            (_, Err(error)) => errors.push(ErrorChain(&error).to_string()),
        }
    }
    if !errors.is_empty() {
        let lines: Vec<String> = errors.iter().map(|error| escaped(error, ERROR_CHARACTERS_MAX)).collect();
        return Err(Failure::usage(lines.join("\n")));
    }
    if files.bars.is_empty() {
        let mut text = format!("no <SYMBOL>.csv in folder {}", folder.display());
        files.warnings.iter().for_each(|warning| text.push_str(&format!("\n  {warning}")));
        return Err(Failure::usage(text));
    }
    Ok(files)
}

impl BarFiles {
    fn without_future(&mut self, path: &Path, mut bars: Vec<Bar>, now: Timestamp) -> Vec<Bar> {
        let closed = bars.partition_point(|bar| calendar::bar_close(Timeframe::Day1, bar.open_time) <= now);
        if let Some(first) = bars.get(closed) {
            self.warnings.push(format!(
                "{}: {} bars from {} on are left out: they have not closed yet",
                path.display(),
                bars.len() - closed,
                calendar::date_of(first.open_time)
            ));
        }
        bars.truncate(closed);
        bars
    }
}

/// `true` for names that a person may take for a bar file: `MSFT.CSV`, `MSFT.csv.gz`.
fn is_similar(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.ends_with(".csv") || name.contains(".csv.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    mod unusual_files;

    const HEADER: &str = "date,open,high,low,close,volume\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn now() -> Timestamp {
        calendar::day_open(date(2004, 1, 7))
    }

    #[test]
    fn every_invalid_bar_file_is_named_with_its_line() {
        let folder = folder(&[
            ("AAPL.csv", &format!("{HEADER}2004-01-05,1,1,1,oops,1\n")),
            ("GOOG.csv", "date,open\n"),
            ("lower.csv", HEADER),
            ("README.md", "no bars"),
        ]);
        let error = read(folder.path(), now()).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 3, "{error}");
        assert!(error.contains("AAPL.csv:2: close: `oops` is not a number"), "{error}");
        assert!(error.contains("GOOG.csv:1: column `high` is missing"), "{error}");
        assert!(error.contains("lower.csv: file name is not a symbol"), "{error}");
    }

    #[test]
    fn file_name_that_is_no_symbol_is_named() {
        let bars = format!("{HEADER}2003-01-02,20.00,21.00,19.00,20.50,1000000\n");
        for (name, text) in [("^GSPC", &bars), ("aapl.us", &bars), ("._AAPL", &"\0\u{5}\u{16}".to_owned())] {
            let folder = folder(&[("AAPL.csv", &bars), (&format!("{name}.csv"), text)]);
            let error = read(folder.path(), now()).unwrap_err().to_string();
            assert!(error.contains(&format!("{name}.csv: file name is not a symbol: ")), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn similar_names_and_future_bars_are_named() {
        let bars = format!(
            "{HEADER}2004-01-05,1,1,1,1,1\n2004-01-06,1,1,1,1,1\n2004-01-07,1,1,1,1,1\n2004-01-08,1,1,1,1,1\n"
        );
        let folder =
            folder(&[("AAPL.csv", &bars), ("MSFT.CSV", &bars), ("IBM.csv.gz", ""), ("notes.txt", "")]);
        let files = read(folder.path(), now()).unwrap();
        assert_eq!(files.bars.iter().map(|(_, bars)| bars.len()).collect::<Vec<_>>(), [2]);
        let warnings = files.warnings.join("\n");
        assert_eq!(files.warnings.len(), 3, "{warnings}");
        for part in [
            "AAPL.csv: 2 bars from 2004-01-07 on are left out",
            "MSFT.CSV is not read",
            "IBM.csv.gz is not read",
        ] {
            assert!(warnings.contains(part), "{part} in {warnings}");
        }
    }

    #[test]
    fn folder_without_bars_is_rejected() {
        let error = read(folder(&[("MSFT.CSV", HEADER)]).path(), now()).unwrap_err().to_string();
        assert!(error.contains("no <SYMBOL>.csv") && error.contains("MSFT.CSV is not read"), "{error}");
    }

    #[test]
    fn error_that_quotes_a_file_is_bounded() {
        let folder = folder(&[("AAPL.csv", &format!("{HEADER}{}", "\u{1b},1,1,1,1,1\n".repeat(60_000)))]);
        let error = read(folder.path(), now()).unwrap_err().to_string();
        assert!(error.contains("AAPL.csv:2") && error.len() < 1_000, "{} bytes", error.len());
    }
}
