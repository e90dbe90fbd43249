//! Splits: the table of a symbol's splits, and the adjustment of its bars.
//!
//! A bar is adjusted if it opened on an earlier date in New York than the ex-date of a split, and the ex-date is not after that of the
//! newest bar used. Its prices are divided by the product of the ratios of these splits, its volume is multiplied by it. The time of
//! the announcement does not matter. The bars of the table stay as they were received.

mod adjustment;
mod mismatch;
mod table;

#[cfg(test)]
mod tests;

pub use adjustment::{Split, adjust, adjusted};
pub(super) use mismatch::mismatches;
pub use mismatch::{Mismatch, MismatchCause, Mismatches};
pub use table::Splits;
