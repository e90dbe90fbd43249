//! How urgent a piece of work is.

/// 1..=10, higher is more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Priority(u8);

/// A number that is no priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("priority {0} is not one of 1..=10")]
pub struct PriorityError(i32);

impl Priority {
    /// 1.
    pub const LOW: Self = Self(1);
    /// 5.
    pub const NORMAL: Self = Self(5);
    /// 7.
    pub const HIGH: Self = Self(7);
    /// 10.
    pub const CRITICAL: Self = Self(10);
    /// From here on work is urgent: it doesn't wait for a batch to fill and has a lane of its own.
    pub const URGENT: Self = Self(8);

    /// The priority of this number.
    ///
    /// # Errors
    /// When it isn't one of 1..=10.
    pub fn new(number: i32) -> Result<Self, PriorityError> {
        match u8::try_from(number) {
            Ok(number @ 1..=10) => Ok(Self(number)),
            _ => Err(PriorityError(number)),
        }
    }

    /// The priority nearest to this number.
    #[must_use]
    pub fn clamped(number: i64) -> Self {
        u8::try_from(number.clamp(1, 10)).map_or(Self::CRITICAL, Self)
    }

    /// Its number, 1..=10.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether it is at least [`Priority::URGENT`].
    #[must_use]
    pub fn is_urgent(self) -> bool {
        self >= Self::URGENT
    }
}

impl std::fmt::Display for Priority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Priority;

    #[test]
    fn number_outside_1_to_10_is_no_priority() {
        assert_eq!(Priority::new(1), Ok(Priority::LOW));
        assert_eq!(Priority::new(10), Ok(Priority::CRITICAL));
        assert_eq!(Priority::new(0).unwrap_err().to_string(), "priority 0 is not one of 1..=10");
        assert!(Priority::new(11).is_err() && Priority::new(257).is_err() && Priority::new(-1).is_err());
    }

    #[test]
    fn clamped_number_becomes_the_nearest_priority() {
        assert_eq!(Priority::clamped(i64::MIN), Priority::LOW);
        assert_eq!(Priority::clamped(7), Priority::HIGH);
        assert_eq!(Priority::clamped(i64::MAX), Priority::CRITICAL);
    }

    #[test]
    fn priority_8_is_urgent_and_7_is_not() {
        assert!(!Priority::clamped(7).is_urgent());
        assert!(Priority::clamped(8).is_urgent());
    }
}
