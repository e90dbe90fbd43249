//! RSI: Wilder's average gain relative to the average move.

use super::ema::wilder;
use crate::rules::stats::newest;
use crate::rules::value::{Value, divide};

/// RSI over `n`, in percent; omitted if all closes are equal.
pub(crate) fn rsi(close: &[f64], n: usize) -> Value {
    newest(close, n + 1)?;
    let moves = |sign: f64| -> Vec<f64> {
        close.windows(2).map(|pair| (sign * (pair[1] - pair[0])).max(0.0)).collect()
    };
    let (gain, loss) = (wilder(&moves(1.0), n), wilder(&moves(-1.0), n));
    divide(100.0 * gain, gain + loss)
}

#[cfg(test)]
mod tests {
    use super::rsi;
    use crate::rules::value::Omission;

    #[test]
    fn equal_closes_have_no_rsi() {
        assert_eq!(rsi(&[10.0; 30], 14), Err(Omission::ZeroDivisor));
        assert_eq!(rsi(&[10.0; 14], 14), Err(Omission::TooFewBars(15)));
    }

    #[test]
    fn moves_in_one_direction_are_the_ends_of_the_scale() {
        let up: Vec<f64> = (1..40).map(f64::from).collect();
        let down: Vec<f64> = up.iter().rev().copied().collect();
        assert_eq!(rsi(&up, 14), Ok(100.0));
        assert_eq!(rsi(&down, 14), Ok(0.0));
    }
}
