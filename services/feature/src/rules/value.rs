//! What a rule answers: values, and why the others were left out.

use std::borrow::Cow;
use std::fmt::Write as _;

use domain::Symbol;
use domain::calendar::Date;

/// Whether a feature set has values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// At least one value; what is left out is named in the reason.
    Computed,
    /// No value, for a reason that lies in the data.
    Unavailable,
    /// No value, for a reason that lies in this program. No rule answers this; a worker does, for a rule that panicked.
    Failed,
}

/// The values of one feature set over one window.
#[derive(Debug, Clone, PartialEq)]
pub struct SetResult {
    /// Whether there are values.
    pub status: Status,
    /// What is missing, and why; none when nothing is.
    pub reason: Option<String>,
    /// Names and values in the catalogue's order: always finite, never a zero that stands for "unknown".
    pub values: Vec<(Cow<'static, str>, f64)>,
}

impl SetResult {
    /// A set that has no values at all, with the reason.
    #[must_use]
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self { status: Status::Unavailable, reason: Some(reason.into()), values: Vec::new() }
    }
}

/// Why a value is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// Its window takes this many bars, and fewer are held.
    Bars(usize),
    /// Its divisor is 0.
    Divisor,
    /// No bar of the window is what it asks for.
    NotFound,
    /// The day bar that the pivots are made of isn't held.
    PriorDay,
    /// What it takes of a benchmark isn't held.
    Benchmark(Symbol, Shortfall),
}

/// What is lacked of a benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortfall {
    /// Nothing is held up to the window's newest bar.
    NoBars,
    /// Its newest bar up to there is of this date, and older.
    Stale(Date),
    /// It takes so many of its bars, and fewer are held.
    Bars { needed: usize, held: usize },
    /// It takes so many that the symbol has as well, and fewer are held.
    Common { needed: usize, held: usize },
}

impl Shortfall {
    /// Whether it says all that the other does: the largest shortfall stands for the smaller ones.
    fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::Bars { needed: most, .. }, Self::Bars { needed, .. })
            | (Self::Common { needed: most, .. }, Self::Common { needed, .. }) => most >= needed,
            _ => self == other,
        }
    }

    fn say(self, symbol: Symbol) -> String {
        match self {
            Self::NoBars => format!("no bars of {symbol}"),
            Self::Stale(date) => format!("the newest bar of {symbol} is of {date}"),
            Self::Bars { needed, held } => format!("{needed} bars of {symbol} needed, {held} held"),
            Self::Common { needed, held } => {
                format!("{needed} bars in common with {symbol} needed, {held} held")
            }
        }
    }
}

/// A value, or why there is none. Infinite and NaN are caught by [`Values::put`].
pub(crate) type Value = Result<f64, Gap>;

/// `numerator / divisor`, unless the divisor is 0.
pub(crate) fn divide(numerator: f64, divisor: f64) -> Value {
    if divisor == 0.0 { Err(Gap::Divisor) } else { Ok(numerator / divisor) }
}

/// Collects the values of one set, in the order in which they are put.
pub(crate) struct Values {
    held: usize,
    needed: usize,
    prior_day_lacks: bool,
    /// What is lacked of benchmarks, in the order in which it was found.
    lacks: Vec<(Symbol, Shortfall)>,
    others: String,
    values: Vec<(Cow<'static, str>, f64)>,
}

impl Values {
    /// For a window of `held` bars.
    pub(crate) fn new(held: usize) -> Self {
        Self {
            held,
            needed: 0,
            prior_day_lacks: false,
            lacks: Vec::new(),
            others: String::new(),
            values: Vec::new(),
        }
    }

    /// Keeps the value, or why there is none.
    pub(crate) fn put(&mut self, name: impl Into<Cow<'static, str>>, value: Value) {
        let name = name.into();
        match value {
            // Adding 0 turns the -0 of "nothing, from below" into 0.
            Ok(value) if value.is_finite() => self.values.push((name, value + 0.0)),
            // A logarithm of a price that isn't positive, or a sum beyond what 64 bits hold.
            Ok(_) => self.leave_out(&name, "no finite value for these prices"),
            Err(Gap::Bars(needed)) => self.needed = self.needed.max(needed),
            Err(Gap::PriorDay) => self.prior_day_lacks = true,
            Err(Gap::Divisor) => self.leave_out(&name, "divisor is 0"),
            Err(Gap::NotFound) => {
                let why = format!("none in {} bars", self.held);
                self.leave_out(&name, &why);
            }
            Err(Gap::Benchmark(symbol, shortfall)) => self.lack(symbol, shortfall),
        }
    }

    /// The set's result. The largest shortfall of bars stands for the smaller ones; every other gap is named by its value.
    pub(crate) fn finish(self) -> SetResult {
        let mut reason = String::new();
        if self.needed > self.held {
            append(&mut reason, &format!("{} bars needed, {} held", self.needed, self.held));
        }
        if self.prior_day_lacks {
            append(&mut reason, "no day bar of an earlier date held");
        }
        for (symbol, shortfall) in &self.lacks {
            append(&mut reason, &shortfall.say(*symbol));
        }
        if !self.others.is_empty() {
            append(&mut reason, &self.others);
        }
        let status = if self.values.is_empty() { Status::Unavailable } else { Status::Computed };
        SetResult { status, reason: (!reason.is_empty()).then_some(reason), values: self.values }
    }

    fn lack(&mut self, symbol: Symbol, shortfall: Shortfall) {
        let mut of_symbol = self.lacks.iter_mut().filter(|(of, _)| *of == symbol);
        match of_symbol.find(|(_, known)| known.covers(shortfall) || shortfall.covers(*known)) {
            Some((_, known)) if known.covers(shortfall) => {}
            Some((_, known)) => *known = shortfall,
            None => self.lacks.push((symbol, shortfall)),
        }
    }

    fn leave_out(&mut self, name: &str, why: &str) {
        append(&mut self.others, &format!("{name}: {why}"));
    }
}

fn append(text: &mut String, part: &str) {
    let separator = if text.is_empty() { "" } else { "; " };
    // Writing into a String cannot fail.
    write!(text, "{separator}{part}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use domain::Symbol;

    use super::{Gap, Shortfall, Status, Values, divide};

    #[test]
    fn the_reason_names_the_largest_shortfall_and_each_other_gap() {
        let mut values = Values::new(30);
        values.put("a", Ok(1.0));
        values.put("b", Err(Gap::Bars(50)));
        values.put("c", divide(1.0, 0.0));
        values.put("d", Err(Gap::Bars(200)));
        values.put("e", Ok(f64::NAN));
        values.put("f", Err(Gap::NotFound));
        let result = values.finish();
        assert_eq!(result.status, Status::Computed);
        assert_eq!(result.values, [("a".into(), 1.0)]);
        assert_eq!(
            result.reason.as_deref(),
            Some(
                "200 bars needed, 30 held; c: divisor is 0; e: no finite value for these prices; \
                 f: none in 30 bars"
            )
        );
    }

    #[test]
    fn what_is_lacked_of_a_benchmark_is_said_once_by_its_largest_shortfall() {
        let (spy, qqq) = (Symbol::constant("SPY"), Symbol::constant("QQQ"));
        let short = |symbol, needed| Err(Gap::Benchmark(symbol, Shortfall::Common { needed, held: 40 }));
        let mut values = Values::new(300);
        values.put("a", short(spy, 61));
        values.put("b", Err(Gap::Benchmark(qqq, Shortfall::NoBars)));
        values.put("c", short(spy, 253));
        values.put("d", Err(Gap::Benchmark(qqq, Shortfall::NoBars)));
        values.put("e", short(spy, 201));
        let result = values.finish();
        let reason = "253 bars in common with SPY needed, 40 held; no bars of QQQ";
        assert_eq!((result.status, result.reason.as_deref()), (Status::Unavailable, Some(reason)));
    }

    #[test]
    fn a_set_without_a_value_is_unavailable_and_a_full_one_has_no_reason() {
        let mut values = Values::new(1);
        values.put("a", Err(Gap::Bars(2)));
        let result = values.finish();
        assert_eq!(
            (result.status, result.reason.as_deref()),
            (Status::Unavailable, Some("2 bars needed, 1 held"))
        );

        let mut values = Values::new(1);
        values.put("a", Ok(-0.0));
        let result = values.finish();
        assert_eq!((result.status, result.reason), (Status::Computed, None));
        assert!(result.values[0].1.is_sign_positive());
    }
}
