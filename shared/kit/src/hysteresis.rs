//! Hysteresis: a condition that does not flip at every step around one bound.

/// The marks of a condition over a value. Without [`Marks::low`] both marks are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks<T> {
    high: T,
    low: T,
    is_inclusive: bool,
}

impl<T: Copy> Marks<T> {
    /// Sets the condition at `value > high`, keeps it while `value > low`, clears it at `value <= low`.
    #[must_use]
    pub const fn above(high: T) -> Self {
        Self { high, low: high, is_inclusive: false }
    }

    /// Sets the condition at `value >= high`, keeps it while `value >= low`, clears it at `value < low`.
    #[must_use]
    pub const fn at(high: T) -> Self {
        Self { high, low: high, is_inclusive: true }
    }

    /// The mark that keeps the condition. One above the high mark counts as equal to it.
    #[must_use]
    pub const fn low(self, low: T) -> Self {
        Self { low, ..self }
    }
}

/// A condition over a value, set at a high mark and cleared at a low one. Cleared by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hysteresis {
    is_set: bool,
}

impl Hysteresis {
    /// The condition, cleared.
    #[must_use]
    pub const fn new() -> Self {
        Self { is_set: false }
    }

    /// Takes the value as it is now; returns whether the condition is set.
    pub fn update<T: PartialOrd>(&mut self, value: T, marks: Marks<T>) -> bool {
        let reaches = |mark: T| if marks.is_inclusive { value >= mark } else { value > mark };
        self.is_set = reaches(marks.high) || (self.is_set && reaches(marks.low));
        self.is_set
    }

    /// Whether the condition was set at the last update.
    #[must_use]
    pub const fn is_set(self) -> bool {
        self.is_set
    }
}
