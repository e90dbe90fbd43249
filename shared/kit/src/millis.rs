//! Milliseconds in a configuration.

use std::fmt;
use std::time::Duration;

/// A whole number of milliseconds: the value of a configuration key `…_ms`. `N` is its integer, `u64` or `u32`, and with it the range
/// that the key accepts.
///
/// It is shown by `Debug` and `Display`, and with the feature `serde` serialised and deserialised, exactly as the integer.
///
/// ```
/// use std::time::Duration;
///
/// use kit::Millis;
///
/// struct Section {
///     timeout_ms: Millis<u32>,
///     window_ms: Millis,
/// }
/// let section = Section { timeout_ms: Millis::new(5_000), window_ms: 250.into() };
/// assert_eq!(section.timeout_ms.as_duration(), Duration::from_secs(5));
/// assert_eq!(section.window_ms.to_string(), "250");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis<N = u64>(N);

impl<N: Copy> Millis<N> {
    /// This number of milliseconds.
    #[must_use]
    pub const fn new(millis: N) -> Self {
        Self(millis)
    }

    /// The number of milliseconds.
    #[must_use]
    pub const fn get(self) -> N {
        self.0
    }
}

macro_rules! of_integer {
    ($($integer:ty)*) => {$(
        impl Millis<$integer> {
            /// The duration.
            #[must_use]
            pub const fn as_duration(self) -> Duration {
                Duration::from_millis(self.0 as u64)
            }

            /// Whether there is no time at all.
            #[must_use]
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }

            /// The sum, or the largest number.
            #[must_use]
            pub const fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl From<Millis<$integer>> for Duration {
            fn from(millis: Millis<$integer>) -> Self {
                millis.as_duration()
            }
        }
    )*};
}

of_integer!(u32 u64);

impl From<Millis<u32>> for u64 {
    fn from(millis: Millis<u32>) -> Self {
        millis.0.into()
    }
}

impl<N> From<N> for Millis<N> {
    fn from(millis: N) -> Self {
        Self(millis)
    }
}

impl<N: fmt::Display> fmt::Display for Millis<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<N: fmt::Debug> fmt::Debug for Millis<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "serde")]
mod with_serde {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Millis;

    impl<N: Serialize> Serialize for Millis<N> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.serialize(serializer)
        }
    }

    impl<'de, N: Deserialize<'de>> Deserialize<'de> for Millis<N> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            N::deserialize(deserializer).map(Self)
        }
    }
}
