//! Swing points: newest highs and lows that exceed those of the bars on either side.

use crate::rules::value::{Omission, Value};

/// The number of bars on either side.
const SIDE: usize = 5;

/// The newest value that strictly `beats` the [`SIDE`] values before it and after it.
pub(crate) fn swing(column: &[f64], beats: fn(&f64, &f64) -> bool) -> Value {
    let around = 2 * SIDE + 1;
    if column.len() < around {
        return Err(Omission::TooFewBars(around));
    }
    let is_swing = |part: &&[f64]| {
        let peak = part[SIDE];
        part.iter().enumerate().all(|(index, value)| index == SIDE || beats(&peak, value))
    };
    column.windows(around).rev().find(is_swing).map(|part| part[SIDE]).ok_or(Omission::NotFound)
}

#[cfg(test)]
mod tests {
    use super::swing;
    use crate::rules::value::Omission;

    #[test]
    fn newest_strict_extreme_is_the_swing_point() {
        let mut column = vec![1.0; 30];
        assert_eq!(swing(&column, f64::gt), Err(Omission::NotFound));
        (column[7], column[20], column[25]) = (3.0, 2.0, 9.0);
        // The last peak has only four bars after it, and it exceeds the peak five bars before it.
        assert_eq!(swing(&column, f64::gt), Ok(3.0));
        column[25] = 1.0;
        assert_eq!(swing(&column, f64::gt), Ok(2.0));
        column[21] = 2.0;
        assert_eq!(swing(&column, f64::gt), Ok(3.0));
        assert_eq!(swing(&column[..10], f64::gt), Err(Omission::TooFewBars(11)));
    }
}
