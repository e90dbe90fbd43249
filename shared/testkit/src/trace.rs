//! What happened, as lines: hashed whole, kept at the end.

use std::collections::VecDeque;
use std::fmt;

/// How many lines a failure shows.
const KEPT_LINES: usize = 60;

/// A running hash over every line, and the last lines themselves.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    hash: u64,
    last: VecDeque<String>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        // FNV-1a, 64 bits: offset basis.
        Self { hash: 0xCBF2_9CE4_8422_2325, last: VecDeque::with_capacity(KEPT_LINES) }
    }

    pub(crate) fn line(&mut self, line: fmt::Arguments<'_>) {
        let mut text =
            if self.last.len() < KEPT_LINES { None } else { self.last.pop_front() }.unwrap_or_default();
        text.clear();
        fmt::write(&mut text, line).expect("writing to a string doesn't fail");
        for byte in text.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        self.last.push_back(text);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }
}
