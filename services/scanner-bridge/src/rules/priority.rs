//! Priority of an alert.

use domain::Priority;

/// Returns trunc(score × 10) + boost, limited to 1 to 10.
#[must_use]
pub fn priority(score: f64, boost: u8) -> Priority {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "truncation is the rule; out of range and NaN saturate"
    )]
    let tenths = (score * 10.0) as i64;
    Priority::clamped(tenths.saturating_add(i64::from(boost)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::priority;

    #[test]
    fn priority_is_truncated_tenths_plus_boost() {
        for (score, boost, expected) in [
            (0.0, 0, 1),
            (0.09, 0, 1),
            (0.19, 0, 1),
            (0.2, 0, 2),
            (0.65, 0, 6),
            (0.7, 0, 7),
            (0.7, 1, 8),
            (0.0, 3, 3),
            (0.79, 3, 10),
            (0.95, 3, 10),
            (1.0, 0, 10),
        ] {
            assert_eq!(priority(score, boost).get(), expected, "{score} + {boost}");
        }
    }

    proptest! {
        #[test]
        fn priority_never_decreases_with_score_or_boost(a in 0.0..=1.0_f64, b in 0.0..=1.0_f64, boost in 0..3_u8) {
            prop_assert!(priority(a.min(b), boost) <= priority(a.max(b), boost));
            prop_assert!(priority(a, boost) <= priority(a, boost + 1));
        }
    }
}
