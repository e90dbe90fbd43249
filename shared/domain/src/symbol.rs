//! Ticker symbols.

use std::fmt;
use std::str::FromStr;

/// Limit of a symbol: five characters, a separator, two characters.
const BYTES_MAX: usize = 8;

/// A ticker symbol: one to five capitals, then optionally `.` or `-` and one or two capitals (`AAPL`, `BRK.B`).
///
/// Stored inline and `Copy`. Ordered like its text.
// Unused bytes are zero: they sort before every letter, so the derived order and equality are those of the text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol([u8; BYTES_MAX]);

/// Error of a text that is not a symbol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("symbol {text:?} does not match [A-Z]{{1,5}}([.-][A-Z]{{1,2}})?")]
pub struct SymbolError {
    /// First 32 characters of the text.
    text: String,
}

impl Symbol {
    /// Parses a symbol. The whole text must match.
    ///
    /// # Errors
    /// If it does not match.
    pub fn parse(text: &str) -> Result<Self, SymbolError> {
        let bytes = text.as_bytes();
        if !matches_rule(bytes) {
            return Err(SymbolError { text: text.chars().take(32).collect() });
        }
        let mut held = [0; BYTES_MAX];
        held[..bytes.len()].copy_from_slice(bytes);
        Ok(Self(held))
    }

    /// Returns a symbol of one to five capitals, for constants. Any other text fails to compile in a constant.
    #[must_use]
    pub const fn constant(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= 5, "a symbol has one to five characters");
        let mut held = [0; BYTES_MAX];
        let mut index = 0;
        while index < bytes.len() {
            assert!(bytes[index].is_ascii_uppercase(), "a symbol consists of A to Z");
            held[index] = bytes[index];
            index += 1;
        }
        Self(held)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(BYTES_MAX);
        std::str::from_utf8(&self.0[..length]).expect("a symbol is ASCII: parse checked it")
    }
}

fn matches_rule(bytes: &[u8]) -> bool {
    let (root, class) = match bytes.iter().position(|byte| matches!(byte, b'.' | b'-')) {
        Some(separator) => (&bytes[..separator], Some(&bytes[separator + 1..])),
        None => (bytes, None),
    };
    let is_upper = |part: &[u8], len_max: usize| {
        (1..=len_max).contains(&part.len()) && part.iter().all(u8::is_ascii_uppercase)
    };
    is_upper(root, 5) && class.is_none_or(|class| is_upper(class, 2))
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Symbol {
    type Err = SymbolError;

    fn from_str(text: &str) -> Result<Self, SymbolError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Symbol;

    #[test]
    fn constant_equals_the_parsed_symbol() {
        const SPY: Symbol = Symbol::constant("SPY");
        assert_eq!(Symbol::parse("SPY"), Ok(SPY));
    }

    #[test]
    fn real_tickers_are_symbols() {
        for text in ["A", "F", "AAPL", "GOOGL", "BRK.B", "BF-A", "ABCDE.WS"] {
            assert_eq!(Symbol::parse(text).map(|symbol| symbol.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn text_that_does_not_match_the_pattern_is_rejected() {
        for text in
            ["", "aapl", "AAPL\n", " AAPL", "ABCDEF", "A.", ".B", "A.BCD", "A.B.C", "A-B-C", "A1", "Ä", "A\0"]
        {
            let error = Symbol::parse(text).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("symbol {text:?} does not match [A-Z]{{1,5}}([.-][A-Z]{{1,2}})?")
            );
        }
    }

    #[test]
    fn error_quotes_a_limited_part_of_the_text() {
        let error = Symbol::parse(&"X".repeat(1_000_000)).unwrap_err();
        assert!(error.to_string().len() < 120);
    }

    proptest! {
        #[test]
        fn text_that_matches_the_pattern_round_trips(text in "[A-Z]{1,5}([.-][A-Z]{1,2})?") {
            prop_assert_eq!(Symbol::parse(&text).unwrap().to_string(), text);
        }

        #[test]
        fn symbols_are_ordered_like_their_texts(
            a in "[A-C]{1,5}([.-][A-C]{1,2})?",
            b in "[A-C]{1,5}([.-][A-C]{1,2})?",
        ) {
            prop_assert_eq!(Symbol::parse(&a).unwrap().cmp(&Symbol::parse(&b).unwrap()), a.cmp(&b));
        }

        #[test]
        fn accepted_text_equals_the_symbols_text(text in "\\PC{0,10}|[A-Za-z.\\-\n]{0,9}") {
            if let Ok(symbol) = Symbol::parse(&text) {
                prop_assert_eq!(symbol.as_str(), text);
            }
        }
    }
}
