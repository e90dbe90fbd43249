//! What a request says beside its fields: what each of its alerts did to its symbol's window, for the bridge that reads it again.
//!
//! A request names the window of each symbol, but not which alert opened it, nor in which order alerts were judged; and what stands
//! outside of windows (`manual`, or older than the window) looks the same. So each alert that lies in a window leaves a mark:
//! the place of its symbol among the request's, `o` when it opened the window or `j` when it joined it, its offset, and the window
//! where that isn't the one that the request names. `0o17,0j19,3o18@1720641600000000`

use std::fmt;

use domain::{Symbol, Timestamp};

use super::batch::Member;

/// The window that an alert lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The occurrence that opened it.
    pub first_seen: Timestamp,
    /// Whether that is this alert's.
    pub is_opened: bool,
}

/// What an alert did to its symbol's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Whose window.
    pub symbol: Symbol,
    /// Where the alert lies in its partition.
    pub offset: i64,
    /// The window.
    pub window: Window,
}

/// Marks, to be written beside the members of their batch (sorted by symbol).
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// The batch's symbols.
    pub members: &'a [Member],
    /// The marks of its alerts.
    pub marks: &'a [Mark],
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Mark { symbol, offset, window }) in self.marks.iter().enumerate() {
            let Ok(place) = self.members.binary_search_by_key(symbol, |member| member.symbol) else {
                debug_assert!(false, "the symbol of an alert is in its batch");
                continue;
            };
            let (comma, did) = (if number > 0 { "," } else { "" }, if window.is_opened { 'o' } else { 'j' });
            write!(f, "{comma}{place}{did}{offset}")?;
            if self.members[place].first_seen() != window.first_seen {
                write!(f, "@{}", window.first_seen.micros())?;
            }
        }
        Ok(())
    }
}

/// Reads marks; `symbols` are the request's, each with the window that the request names. None when the text holds no marks.
#[must_use]
pub fn read(text: &str, symbols: &[(Symbol, Timestamp)]) -> Option<Vec<Mark>> {
    text.split(',').map(|mark| read_one(mark, symbols)).collect()
}

fn read_one(text: &str, symbols: &[(Symbol, Timestamp)]) -> Option<Mark> {
    let (place, rest) = text.split_at_checked(text.find(['o', 'j'])?)?;
    let is_opened = rest.starts_with('o');
    let (offset, first_seen) = match rest[1..].split_once('@') {
        Some((offset, micros)) => (offset, Some(Timestamp::from_micros(micros.parse().ok()?))),
        None => (&rest[1..], None),
    };
    let (symbol, named) = *symbols.get(place.parse::<usize>().ok()?)?;
    let window = Window { first_seen: first_seen.unwrap_or(named), is_opened };
    Some(Mark { symbol, offset: offset.parse().ok()?, window })
}

#[cfg(test)]
mod tests {
    use contracts::bounds::MERGED_ALERTS_MAX;
    use domain::{Symbol, Timestamp};

    use super::{Mark, Member, Window, Written, read};

    fn symbols() -> Vec<(Symbol, Timestamp)> {
        let named = |(text, second)| (Symbol::parse(text).unwrap(), Timestamp::from_micros(second));
        [("AAPL", 100), ("MSFT", 200)].map(named).to_vec()
    }

    #[test]
    fn marks_are_read_as_they_are_written() {
        let [(aapl, named), (msft, _)] = symbols()[..] else { panic!("two symbols") };
        let other = Timestamp::from_micros(-7);
        let marks = [
            Mark { symbol: aapl, offset: 17, window: Window { first_seen: named, is_opened: true } },
            Mark { symbol: msft, offset: 9, window: Window { first_seen: other, is_opened: false } },
        ];
        assert_eq!(read("0o17,1j9@-7", &symbols()).unwrap(), marks);
    }

    #[test]
    fn what_holds_no_marks_is_none() {
        for text in ["", "0o17,", "0x17", "2o17", "o17", "0o", "0o17@", "0o1.5", "é1", "0o17@1@2", "-1o3"] {
            assert_eq!(read(text, &symbols()), None, "{text}");
        }
    }

    /// Beside the largest payload (1,000,000 bytes) in a record of 1 MiB.
    #[test]
    fn the_marks_of_a_full_batch_fit_beside_it() {
        let (symbol, first_seen) = symbols()[0];
        let window =
            Window { first_seen: Timestamp::from_micros(i64::from(u32::MAX) * 1_000_000), is_opened: true };
        let marks = vec![Mark { symbol, offset: i64::MAX, window }; MERGED_ALERTS_MAX];
        let members = [Member::of(symbol, None, first_seen)];
        let text = Written { members: &members, marks: &marks }.to_string();
        assert!((35_000..40_000).contains(&text.len()), "{}", text.len());
        assert_eq!(read(&text, &symbols()).unwrap(), marks);
    }
}
