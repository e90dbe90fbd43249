//! Small mechanisms that several crates need, each once and with its laws.
//!
//! | type | meaning |
//! |---|---|
//! | [`Backoff`], [`Jitter`] | the wait after consecutive failures |
//! | [`Hysteresis`], [`Marks`] | a condition with one mark to set it and another to clear it |
//! | [`Breaker`] | a circuit breaker: closed, open, half-open |
//! | [`Secret`] | a text that is never shown |
//! | [`Millis`] | milliseconds in a configuration |
//! | [`SaturatingFrom`] | an integer conversion that clamps |
//! | [`ErrorChain`] | an error with its sources, as text |
//! | [`file_format`] | the format of a file that is no text in UTF-8 |
//!
//! The crate has no clock, no randomness, no I/O and no threads: times and random numbers are arguments. It depends on nothing but
//! `std`; the feature `serde` adds serialisation to [`Secret`] and [`Millis`]. The laws are in `tests/laws.rs`.
//!
//! ```
//! use std::time::Duration;
//!
//! use kit::breaker::{Breaker, Settings, State};
//! use kit::{Backoff, Hysteresis, Jitter, Marks, Millis, SaturatingFrom, Secret};
//!
//! let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
//! assert_eq!(backoff.fail(), Duration::from_millis(100));
//! assert_eq!(backoff.fail(), Duration::from_millis(200));
//!
//! let (mut full, marks) = (Hysteresis::new(), Marks::at(10).low(5));
//! assert_eq!([9, 10, 5, 4].map(|len| full.update(len, marks)), [false, true, true, false]);
//!
//! let mut breaker = Breaker::new(Settings {
//!     failures: 1,
//!     successes: 1,
//!     backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
//!     probe_max: Duration::from_secs(30),
//! });
//! let opened = breaker.failed(Duration::ZERO, Jitter::None);
//! assert_eq!(opened.map(|change| (change.from, change.to)), Some((State::Closed, State::Open)));
//! assert_eq!(breaker.admit(Duration::ZERO), Err(Duration::from_secs(1)));
//!
//! assert_eq!(format!("{:?}", Secret::new("hunter2")), "[redacted]");
//! assert_eq!(Duration::from(Millis::new(250_u64)), Duration::from_millis(250));
//! assert_eq!(u8::saturating_from(300_u64), 255);
//! ```

mod backoff;
pub mod breaker;
mod error_chain;
pub mod file_format;
mod hysteresis;
mod millis;
mod saturating;
pub mod secret;

pub use self::backoff::{Backoff, Jitter};
pub use self::breaker::Breaker;
pub use self::error_chain::ErrorChain;
pub use self::hysteresis::{Hysteresis, Marks};
pub use self::millis::Millis;
pub use self::saturating::SaturatingFrom;
pub use self::secret::Secret;
