//! Random numbers that depend on a seed and on what they are for, and not on the requested range.

use domain::Symbol;
use domain::calendar::Date;
use rand_core::{RngCore, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// The number of sessions of a year, by which expected numbers a year are divided.
pub(super) const SESSIONS_A_YEAR: f64 = 252.0;

/// Returns the numbers of a symbol on a date, for this purpose. Those of different purposes are independent.
pub(super) fn dated(seed: u64, symbol: Symbol, date: Date, purpose: &str) -> Pcg64Mcg {
    Pcg64Mcg::seed_from_u64(seed ^ fnv1a(format!("{symbol}|{date}|{purpose}").as_bytes()))
}

/// Returns a uniform number in [0, 1) from the top 53 bits, the precision of an `f64`.
pub(super) fn unit(rng: &mut Pcg64Mcg) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
    let bits = (rng.next_u64() >> 11) as f64;
    bits / 9_007_199_254_740_992.0
}

/// Returns a whole number in [0, `below`); 0 if that is empty.
pub(super) fn below(rng: &mut Pcg64Mcg, below: usize) -> usize {
    let number = u128::from(rng.next_u64()) * u128::try_from(below).unwrap_or(0);
    usize::try_from(number >> 64).unwrap_or(0)
}

/// Returns a standard normal number (Box and Muller, 1958).
pub(super) fn normal(rng: &mut Pcg64Mcg) -> f64 {
    let radius = (-2.0 * libm::log(1.0 - unit(rng))).sqrt();
    radius * libm::cos(std::f64::consts::TAU * unit(rng))
}

/// Returns the 64-bit FNV-1a hash, which is stable across builds.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}
