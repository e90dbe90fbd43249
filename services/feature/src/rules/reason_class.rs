//! Classes of reasons: a closed list for metrics. The text of a reason names bars and benchmarks.

/// The class of the reason of a set. A set with several reasons has the first of them in the order of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasonClass {
    /// No value is omitted.
    None,
    /// The symbol has no bars.
    NoBars,
    /// The symbol has fewer bars than a value needs.
    TooFewBars,
    /// The day bar of the pivots is missing.
    NoPriorDay,
    /// Bars of a benchmark are missing.
    BenchmarkBars,
    /// The bars have no finite value: a divisor is 0, or no bar fulfils a condition.
    NoValue,
    /// The set has no rule yet.
    NotBuilt,
    /// No source has the data of the set.
    NoSource,
    /// The rule panicked.
    Panicked,
    /// A price moves like a split, and no such split is known.
    UnannouncedSplit,
    /// A split is known, and the price does not move with it.
    UnconfirmedSplit,
}

impl ReasonClass {
    /// The names, in the order of the values.
    pub const NAMES: [&'static str; 11] = [
        "none",
        "no_bars",
        "too_few_bars",
        "no_prior_day",
        "benchmark_bars",
        "no_value",
        "not_built",
        "no_source",
        "panicked",
        "unannounced_split",
        "unconfirmed_split",
    ];

    /// Returns the index in [`Self::NAMES`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}
