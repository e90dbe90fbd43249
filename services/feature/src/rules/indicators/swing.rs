//! Swing points: the newest bars that stand out from those around them.

use crate::rules::value::{Gap, Value};

/// How many bars on either side must be beaten.
const SIDE: usize = 5;

/// The newest value that strictly `beats` the five before and the five after it.
pub(crate) fn swing(column: &[f64], beats: fn(&f64, &f64) -> bool) -> Value {
    let around = 2 * SIDE + 1;
    if column.len() < around {
        return Err(Gap::Bars(around));
    }
    let stands_out = |part: &&[f64]| {
        let peak = part[SIDE];
        part.iter().enumerate().all(|(place, value)| place == SIDE || beats(&peak, value))
    };
    column.windows(around).rev().find(stands_out).map(|part| part[SIDE]).ok_or(Gap::NotFound)
}

#[cfg(test)]
mod tests {
    use super::swing;
    use crate::rules::value::Gap;

    #[test]
    fn the_newest_strict_extreme_is_found() {
        let mut column = vec![1.0; 30];
        assert_eq!(swing(&column, f64::gt), Err(Gap::NotFound));
        (column[7], column[20], column[25]) = (3.0, 2.0, 9.0);
        // The last peak has but four bars after it, and hides the one five bars before it.
        assert_eq!(swing(&column, f64::gt), Ok(3.0));
        column[25] = 1.0;
        assert_eq!(swing(&column, f64::gt), Ok(2.0));
        column[21] = 2.0;
        assert_eq!(swing(&column, f64::gt), Ok(3.0));
        assert_eq!(swing(&column[..10], f64::gt), Err(Gap::Bars(11)));
    }
}
