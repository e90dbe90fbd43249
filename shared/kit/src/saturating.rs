//! Integer conversions that clamp.

/// Converts an integer into a type that may not hold it: too large becomes the largest value, too small the smallest.
///
/// ```
/// use kit::SaturatingFrom;
///
/// assert_eq!(i64::saturating_from(u128::MAX), i64::MAX);
/// assert_eq!(u64::saturating_from(-1_i64), 0);
/// assert_eq!(u32::saturating_from(7_usize), 7);
/// ```
pub trait SaturatingFrom<S> {
    /// The value of this type that is nearest to `source`.
    fn saturating_from(source: S) -> Self;
}

macro_rules! saturating_from {
    ($source:ty => $($target:ty)*) => {$(
        impl SaturatingFrom<$source> for $target {
            fn saturating_from(source: $source) -> Self {
                // Zero fits into every type: what does not fit is above or below.
                Self::try_from(source).unwrap_or(if source > 0 { Self::MAX } else { Self::MIN })
            }
        }
    )*};
}

saturating_from!(u32 => u8 u16 usize i32);
saturating_from!(u64 => u8 u16 u32 usize i32 i64);
saturating_from!(u128 => u8 u16 u32 u64 usize i32 i64);
saturating_from!(usize => u8 u16 u32 u64 i32 i64);
saturating_from!(i32 => u8 u16 u32 u64 usize);
saturating_from!(i64 => u8 u16 u32 u64 usize i32);
