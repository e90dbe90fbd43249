//! Functions whose last bits differ between the C libraries and instruction sets of machines, by one implementation: a vector has
//! the same bits wherever it is computed.

/// Returns the natural logarithm.
pub(crate) fn ln(x: f64) -> f64 {
    libm::log(x)
}

/// Returns e to the power of x.
pub(crate) fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// Returns `exp(x) - 1`, exact near 0.
pub(crate) fn exp_m1(x: f64) -> f64 {
    libm::expm1(x)
}

/// Returns x · x.
pub(crate) fn squared(x: f64) -> f64 {
    x * x
}
