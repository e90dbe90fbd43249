//! Table of the splits of all symbols.

use std::collections::{BTreeSet, HashMap};

use domain::{Symbol, Timestamp};
use foldhash::fast::RandomState;

use super::adjustment::Split;

/// The splits of each symbol: one per ex-date, the last one written.
///
/// Their number is bounded. The one with the oldest ex-date of all symbols is evicted first: the bars that it adjusts are the first to
/// leave the windows.
#[derive(Debug)]
pub struct Splits {
    max: usize,
    by_symbol: HashMap<Symbol, Vec<Split>, RandomState>,
    by_date: BTreeSet<(Timestamp, Symbol)>,
    evictions: u64,
}

impl Splits {
    /// Upper bound of the memory of a split, in bytes: its entry in the order of the ex-dates, whose nodes may be half empty, and a
    /// list of its own in a map that has grown.
    pub const SPLIT_BYTES_MAX: usize = 208;

    /// An empty table of at most `max` splits.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, by_symbol: HashMap::default(), by_date: BTreeSet::new(), evictions: 0 }
    }

    /// Inserts a split. It replaces that of the same ex-date, and withdraws it if its ratio is 1.
    pub fn insert(&mut self, symbol: Symbol, split: Split) {
        if split.ratio == 1.0 {
            self.withdraw(symbol, split.from);
            return;
        }
        let splits = self.by_symbol.entry(symbol).or_default();
        match splits.binary_search_by_key(&split.from, |held| held.from) {
            Ok(index) => splits[index] = split,
            Err(index) => {
                if splits.len() == splits.capacity() {
                    // A list of one split is the common one.
                    splits.reserve_exact(splits.len().max(1));
                }
                splits.insert(index, split);
                self.by_date.insert((split.from, symbol));
            }
        }
        if self.by_date.len() > self.max
            && let Some((oldest, of)) = self.by_date.first().copied()
        {
            self.withdraw(of, oldest);
            self.evictions += 1;
        }
    }

    fn withdraw(&mut self, symbol: Symbol, from: Timestamp) {
        self.by_date.remove(&(from, symbol));
        let Some(splits) = self.by_symbol.get_mut(&symbol) else { return };
        splits.retain(|split| split.from != from);
        if splits.is_empty() {
            self.by_symbol.remove(&symbol);
        }
    }

    /// Returns the splits of a symbol, oldest first.
    #[must_use]
    pub fn of(&self, symbol: Symbol) -> &[Split] {
        self.by_symbol.get(&symbol).map_or(&[], Vec::as_slice)
    }

    /// Removes the splits of the symbols for which `matches` is true.
    pub fn remove(&mut self, matches: impl Fn(Symbol) -> bool) {
        self.by_symbol.retain(|symbol, _| !matches(*symbol));
        self.by_date.retain(|(_, symbol)| !matches(*symbol));
    }

    /// Returns the number of splits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_date.len()
    }

    /// Returns `true` if there are no splits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_date.is_empty()
    }

    /// Returns the number of splits that were evicted because there were too many.
    #[must_use]
    pub const fn evictions(&self) -> u64 {
        self.evictions
    }
}
