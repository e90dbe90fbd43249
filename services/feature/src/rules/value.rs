//! Results of a rule: values, and the reasons why others are omitted.

use std::borrow::Cow;
use std::fmt::Write as _;

use domain::Symbol;
use domain::calendar::Date;

use super::reason_class::ReasonClass;

/// The status of a feature set in a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// At least one value. The reason names the cause of each omission.
    Computed,
    /// No value, because of the data.
    Unavailable,
    /// No value, because of a bug: the rule panicked. Only a worker sets this status.
    Failed,
}

/// The values of one feature set over one window.
#[derive(Debug, Clone, PartialEq)]
pub struct SetResult {
    pub status: Status,
    /// The mark of doubtful values and the causes of the omissions; `None` if there are neither.
    pub reason: Option<String>,
    /// The class of the reason.
    pub class: ReasonClass,
    /// Names and values in the order of the rule: always finite, never a substituted zero.
    pub values: Vec<(Cow<'static, str>, f64)>,
}

impl SetResult {
    /// A set without values, with the reason.
    #[must_use]
    pub fn unavailable(reason: impl Into<String>, class: ReasonClass) -> Self {
        Self { status: Status::Unavailable, reason: Some(reason.into()), class, values: Vec::new() }
    }

    /// Marks the values as doubtful: the cause precedes the causes of omissions, and has the class.
    pub(super) fn prepend(&mut self, cause: String, class: ReasonClass) {
        self.reason = Some(match self.reason.take() {
            Some(omissions) => format!("{cause}; {omissions}"),
            None => cause,
        });
        self.class = class;
    }
}

/// The reason why a value is omitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Omission {
    /// Its window needs this number of bars, and fewer are held.
    TooFewBars(usize),
    /// Its divisor is 0.
    ZeroDivisor,
    /// No bar of the window fulfils its condition.
    NotFound,
    /// No day bar of an earlier date is held.
    PriorDay,
    /// It has no value for this reason.
    Absent(&'static str),
    /// It needs bars of a benchmark that are not held.
    Benchmark(Symbol, BenchmarkShortfall),
}

/// The bars of a benchmark that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BenchmarkShortfall {
    /// No bar is held up to the window's newest bar.
    NoBars,
    /// Its newest bar up to there is older than that bar, and of this date.
    Stale(Date),
    /// The value needs more bars of the benchmark.
    Bars { needed: usize, held: usize },
    /// The value needs more bars at open times that the symbol has as well.
    Common { needed: usize, held: usize },
}

impl BenchmarkShortfall {
    /// Returns `true` if the reason need not name the other shortfall: the larger one includes the smaller one.
    fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::Bars { needed: own, .. }, Self::Bars { needed, .. })
            | (Self::Common { needed: own, .. }, Self::Common { needed, .. }) => own >= needed,
            _ => self == other,
        }
    }

    fn describe(self, symbol: Symbol) -> String {
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

/// A value, or the reason why it is omitted. [`Values::put`] omits infinite values and NaN.
pub(crate) type Value = Result<f64, Omission>;

/// Returns `numerator / divisor`, or an omission if the divisor is 0.
pub(crate) fn divide(numerator: f64, divisor: f64) -> Value {
    if divisor == 0.0 { Err(Omission::ZeroDivisor) } else { Ok(numerator / divisor) }
}

/// The values of one set, in the order of their rule.
pub(crate) struct Values {
    held: usize,
    needed: usize,
    lacks_prior_day: bool,
    /// The missing bars of benchmarks, in the order of the values.
    shortfalls: Vec<(Symbol, BenchmarkShortfall)>,
    /// The other omissions, each with the name of its value.
    others: String,
    values: Vec<(Cow<'static, str>, f64)>,
}

impl Values {
    /// For a window of `held` bars.
    pub(crate) fn new(held: usize) -> Self {
        Self {
            held,
            needed: 0,
            lacks_prior_day: false,
            shortfalls: Vec::new(),
            others: String::new(),
            values: Vec::new(),
        }
    }

    /// Adds the value, or the reason why it is omitted.
    pub(crate) fn put(&mut self, name: impl Into<Cow<'static, str>>, value: Value) {
        let name = name.into();
        match value {
            // The sum turns -0 into 0.
            Ok(value) if value.is_finite() => self.values.push((name, value + 0.0)),
            // The logarithm of a price that is not positive, or a sum that overflows.
            Ok(_) => self.omit(&name, "no finite value for these prices"),
            Err(Omission::TooFewBars(needed)) => self.needed = self.needed.max(needed),
            Err(Omission::PriorDay) => self.lacks_prior_day = true,
            Err(Omission::ZeroDivisor) => self.omit(&name, "divisor is 0"),
            Err(Omission::Absent(cause)) => self.omit(&name, cause),
            Err(Omission::NotFound) => {
                let cause = format!("none in {} bars", self.held);
                self.omit(&name, &cause);
            }
            Err(Omission::Benchmark(symbol, shortfall)) => self.add_shortfall(symbol, shortfall),
        }
    }

    /// Returns the result of the set. Its reason names the largest shortfall of bars, and each other omission with its value.
    pub(crate) fn finish(self) -> SetResult {
        let class = self.class();
        let mut reason = String::new();
        if self.needed > self.held {
            append(&mut reason, &format!("{} bars needed, {} held", self.needed, self.held));
        }
        if self.lacks_prior_day {
            append(&mut reason, "no day bar of an earlier date held");
        }
        for (symbol, shortfall) in &self.shortfalls {
            append(&mut reason, &shortfall.describe(*symbol));
        }
        if !self.others.is_empty() {
            append(&mut reason, &self.others);
        }
        let status = if self.values.is_empty() { Status::Unavailable } else { Status::Computed };
        SetResult { status, reason: (!reason.is_empty()).then_some(reason), class, values: self.values }
    }

    /// Returns the class of the first reason, in the order of the text.
    const fn class(&self) -> ReasonClass {
        if self.needed > self.held {
            if self.held == 0 { ReasonClass::NoBars } else { ReasonClass::TooFewBars }
        } else if self.lacks_prior_day {
            ReasonClass::NoPriorDay
        } else if !self.shortfalls.is_empty() {
            ReasonClass::BenchmarkBars
        } else if !self.others.is_empty() {
            ReasonClass::NoValue
        } else {
            ReasonClass::None
        }
    }

    fn add_shortfall(&mut self, symbol: Symbol, shortfall: BenchmarkShortfall) {
        let mut of_symbol = self.shortfalls.iter_mut().filter(|(of, _)| *of == symbol);
        match of_symbol.find(|(_, known)| known.covers(shortfall) || shortfall.covers(*known)) {
            Some((_, known)) if known.covers(shortfall) => {}
            Some((_, known)) => *known = shortfall,
            None => self.shortfalls.push((symbol, shortfall)),
        }
    }

    fn omit(&mut self, name: &str, cause: &str) {
        append(&mut self.others, &format!("{name}: {cause}"));
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

    use super::{BenchmarkShortfall, Omission, ReasonClass, Status, Value, Values, divide};

    #[test]
    fn reason_names_largest_shortfall_and_each_other_omission() {
        let mut values = Values::new(30);
        values.put("a", Ok(1.0));
        values.put("b", Err(Omission::TooFewBars(50)));
        values.put("c", divide(1.0, 0.0));
        values.put("d", Err(Omission::TooFewBars(200)));
        values.put("e", Ok(f64::NAN));
        values.put("f", Err(Omission::NotFound));
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
    fn reason_names_the_largest_shortfall_per_benchmark() {
        let (spy, qqq) = (Symbol::constant("SPY"), Symbol::constant("QQQ"));
        let short = |symbol, needed| {
            Err(Omission::Benchmark(symbol, BenchmarkShortfall::Common { needed, held: 40 }))
        };
        let mut values = Values::new(300);
        values.put("a", short(spy, 61));
        values.put("b", Err(Omission::Benchmark(qqq, BenchmarkShortfall::NoBars)));
        values.put("c", short(spy, 253));
        values.put("d", Err(Omission::Benchmark(qqq, BenchmarkShortfall::NoBars)));
        values.put("e", short(spy, 201));
        let result = values.finish();
        let reason = "253 bars in common with SPY needed, 40 held; no bars of QQQ";
        assert_eq!((result.status, result.reason.as_deref()), (Status::Unavailable, Some(reason)));
    }

    #[test]
    fn class_is_that_of_the_first_reason() {
        let class = |held, omitted: &[Value]| {
            let mut values = Values::new(held);
            for value in omitted {
                values.put("a", *value);
            }
            values.finish().class
        };
        let benchmark = Err(Omission::Benchmark(Symbol::constant("SPY"), BenchmarkShortfall::NoBars));
        let (few, prior) = (Err(Omission::TooFewBars(2)), Err(Omission::PriorDay));
        assert_eq!(class(1, &[Ok(1.0)]), ReasonClass::None);
        assert_eq!(class(0, &[few, benchmark]), ReasonClass::NoBars);
        assert_eq!(class(1, &[benchmark, few]), ReasonClass::TooFewBars);
        assert_eq!(class(1, &[benchmark, prior]), ReasonClass::NoPriorDay);
        assert_eq!(class(1, &[Err(Omission::NotFound), benchmark]), ReasonClass::BenchmarkBars);
        assert_eq!(class(1, &[Ok(f64::NAN), Ok(1.0)]), ReasonClass::NoValue);
    }

    #[test]
    fn set_without_values_is_unavailable_full_set_has_no_reason() {
        let mut values = Values::new(1);
        values.put("a", Err(Omission::TooFewBars(2)));
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
