//! Priorities.

/// A priority from 1 to 10. Higher is more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Priority(u8);

/// Error of a number that is not a priority.
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
    /// 8, the lowest urgent priority. Urgent work is not batched and has its own lane.
    pub const URGENT: Self = Self(8);

    /// Returns the priority with this number.
    ///
    /// # Errors
    /// If the number is not in 1..=10.
    pub fn new(number: i32) -> Result<Self, PriorityError> {
        match u8::try_from(number) {
            Ok(number @ 1..=10) => Ok(Self(number)),
            _ => Err(PriorityError(number)),
        }
    }

    /// Returns the nearest priority.
    #[must_use]
    pub fn clamped(number: i64) -> Self {
        u8::try_from(number.clamp(1, 10)).map_or(Self::CRITICAL, Self)
    }

    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Returns `true` if the priority is at least [`Priority::URGENT`].
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
        for number in [0, 11, 257, -1] {
            let error = Priority::new(number).unwrap_err();
            assert_eq!(error.to_string(), format!("priority {number} is not one of 1..=10"));
        }
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
