//! Header of a request with the dedup window of each of its alerts, from which the windows are restored.
//!
//! The fields of a request contain one window per symbol, but not the alert that opened it, nor the order in which alerts were
//! processed, nor whether an alert had no window (type `manual`, or older than the window). The header has an entry for each alert in
//! a window, separated by commas: the index of its symbol in the request, `o` if the alert opened the window or `j` if it joined it,
//! the alert's offset, and `@` with the window in microseconds if the request has another one for the symbol.
//! Example: `0o17,0j19,3o18@1720641600000000`.

use std::fmt;

use domain::{Symbol, Timestamp};

use super::batch::Member;
use super::windows::{Window, WindowedAlert};

/// The header of a batch; its value is written by `Display`.
#[derive(Debug, Clone, Copy)]
pub struct WindowsHeader<'a> {
    /// The members of the batch, sorted by symbol.
    pub members: &'a [Member],
    /// The alerts of the batch that are in a window.
    pub windowed: &'a [WindowedAlert],
}

impl fmt::Display for WindowsHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, WindowedAlert { symbol, offset, window }) in self.windowed.iter().enumerate() {
            let Ok(index) = self.members.binary_search_by_key(symbol, |member| member.symbol) else {
                debug_assert!(false, "the batch contains the symbol of each alert");
                continue;
            };
            let (comma, kind) = (if number > 0 { "," } else { "" }, if window.is_opened { 'o' } else { 'j' });
            write!(f, "{comma}{index}{kind}{offset}")?;
            if self.members[index].first_seen() != window.first_seen {
                write!(f, "@{}", window.first_seen.micros())?;
            }
        }
        Ok(())
    }
}

/// Parses the header of a request. `symbols` are the symbols of the request, each with its `first_seen`. `None` if the text is invalid.
#[must_use]
pub fn parse(text: &str, symbols: &[(Symbol, Timestamp)]) -> Option<Vec<WindowedAlert>> {
    text.split(',').map(|entry| parse_entry(entry, symbols)).collect()
}

fn parse_entry(text: &str, symbols: &[(Symbol, Timestamp)]) -> Option<WindowedAlert> {
    let (index, rest) = text.split_at_checked(text.find(['o', 'j'])?)?;
    let is_opened = rest.starts_with('o');
    let (offset, first_seen) = match rest[1..].split_once('@') {
        Some((offset, micros)) => (offset, Some(Timestamp::from_micros(micros.parse().ok()?))),
        None => (&rest[1..], None),
    };
    let (symbol, in_request) = *symbols.get(index.parse::<usize>().ok()?)?;
    let window = Window { first_seen: first_seen.unwrap_or(in_request), is_opened };
    Some(WindowedAlert { symbol, offset: offset.parse().ok()?, window })
}

#[cfg(test)]
mod tests {
    use contracts::bounds::MERGED_ALERTS_MAX;
    use domain::{Symbol, Timestamp};

    use super::{Member, Window, WindowedAlert, WindowsHeader, parse};

    fn symbols() -> Vec<(Symbol, Timestamp)> {
        let symbol = |(text, second)| (Symbol::parse(text).unwrap(), Timestamp::from_micros(second));
        [("AAPL", 100), ("MSFT", 200)].map(symbol).to_vec()
    }

    #[test]
    fn entries_are_parsed() {
        let [(aapl, first_seen), (msft, _)] = symbols()[..] else { panic!("two symbols") };
        let other = Timestamp::from_micros(-7);
        let alerts = [
            WindowedAlert { symbol: aapl, offset: 17, window: Window { first_seen, is_opened: true } },
            WindowedAlert { symbol: msft, offset: 9, window: Window { first_seen: other, is_opened: false } },
        ];
        assert_eq!(parse("0o17,1j9@-7", &symbols()).unwrap(), alerts);
    }

    #[test]
    fn invalid_header_is_none() {
        for text in ["", "0o17,", "0x17", "2o17", "o17", "0o", "0o17@", "0o1.5", "é1", "0o17@1@2", "-1o3"] {
            assert_eq!(parse(text, &symbols()), None, "{text}");
        }
    }

    /// A record of 1 MiB has room for it in addition to the largest payload of 1,000,000 bytes.
    #[test]
    fn header_of_a_full_batch_fits_in_its_record() {
        let (symbol, first_seen) = symbols()[0];
        let window =
            Window { first_seen: Timestamp::from_micros(i64::from(u32::MAX) * 1_000_000), is_opened: true };
        let windowed = vec![WindowedAlert { symbol, offset: i64::MAX, window }; MERGED_ALERTS_MAX];
        let members = [Member::of(symbol, None, first_seen)];
        let text = WindowsHeader { members: &members, windowed: &windowed }.to_string();
        assert!((35_000..40_000).contains(&text.len()), "{}", text.len());
        assert_eq!(parse(&text, &symbols()).unwrap(), windowed);
    }
}
