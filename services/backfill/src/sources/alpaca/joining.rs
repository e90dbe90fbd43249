//! Joined calls: concurrent calls with the same key become one call for several symbols.
//!
//! ```text
//! worker 1 ──► opens a group ──► waits until it is full, or the join time is over ──► call ──► result
//! worker 2 ──► joins it ──────────────────────────────────────────────────────────────────► the same result
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::Symbol;

/// Joins the calls of several threads. `K` is the key, `R` the result.
pub(super) struct Joiner<K, R> {
    symbols_max: usize,
    join_max: Duration,
    /// Groups that accept members.
    open: Mutex<BTreeMap<K, Arc<Group<R>>>>,
}

struct Group<R> {
    state: Mutex<State<R>>,
    changed: Condvar,
}

struct State<R> {
    symbols: Vec<Symbol>,
    /// Returned to all members.
    result: Option<R>,
}

/// The result of a call, for one of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Joined<R> {
    pub(super) result: R,
    /// `true` for one member of the call.
    pub(super) is_caller: bool,
    /// The number of its symbols.
    pub(super) symbols: usize,
}

impl<K: Ord + Clone, R: Clone> Joiner<K, R> {
    /// Joins up to `symbols_max` symbols in one call. The first one waits for the others for `join_max` at most.
    pub(super) fn new(symbols_max: usize, join_max: Duration) -> Self {
        Self { symbols_max, join_max, open: Mutex::default() }
    }

    /// Calls `call` on this thread or another one for `symbol` and the symbols of concurrent calls with the same key. `None` if the call of
    /// another thread has not ended by the deadline.
    pub(super) fn call(
        &self,
        key: &K,
        symbol: Symbol,
        deadline: Instant,
        call: impl FnOnce(&[Symbol]) -> R,
    ) -> Option<Joined<R>> {
        let (group, is_caller) = self.join(key, symbol);
        if !is_caller {
            return group.wait_for_result(deadline);
        }
        group.wait_for_members(self.symbols_max, Instant::now() + self.join_max);
        let symbols = self.close(key, &group);
        let result = call(&symbols);
        locked(&group.state).result = Some(result.clone());
        group.changed.notify_all();
        Some(Joined { result, is_caller, symbols: symbols.len() })
    }

    /// Returns the group of the call, and `true` if this call opened it.
    fn join(&self, key: &K, symbol: Symbol) -> (Arc<Group<R>>, bool) {
        let mut open = locked(&self.open);
        if let Some(group) = open.get(key) {
            let mut state = locked(&group.state);
            if !state.symbols.contains(&symbol) {
                state.symbols.push(symbol);
                let is_full = state.symbols.len() >= self.symbols_max;
                drop(state);
                let group = Arc::clone(group);
                group.changed.notify_all();
                if is_full {
                    open.remove(key);
                }
                return (group, false);
            }
        }
        let state = Mutex::new(State { symbols: vec![symbol], result: None });
        let group = Arc::new(Group { state, changed: Condvar::new() });
        if self.symbols_max > 1 {
            open.insert(key.clone(), Arc::clone(&group));
        }
        (group, true)
    }

    /// Accepts no further members, and returns the symbols in ascending order.
    fn close(&self, key: &K, group: &Arc<Group<R>>) -> Vec<Symbol> {
        let mut open = locked(&self.open);
        if open.get(key).is_some_and(|other| Arc::ptr_eq(other, group)) {
            open.remove(key);
        }
        let mut symbols = locked(&group.state).symbols.clone();
        symbols.sort_unstable();
        symbols
    }
}

impl<R: Clone> Group<R> {
    fn wait_for_members(&self, symbols_max: usize, until: Instant) {
        let mut state = locked(&self.state);
        while state.symbols.len() < symbols_max {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wait_for_result(&self, deadline: Instant) -> Option<Joined<R>> {
        let mut state = locked(&self.state);
        loop {
            if let Some(result) = &state.result {
                let (result, symbols) = (result.clone(), state.symbols.len());
                return Some(Joined { result, is_caller: false, symbols });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn symbols(names: &[&str]) -> Vec<Symbol> {
        names.iter().map(|name| Symbol::parse(name).unwrap()).collect()
    }

    /// Calls with key 1 for each of the symbols, on a thread each.
    fn calls(joiner: &Joiner<u8, Vec<Symbol>>, symbols: &[Symbol]) -> Vec<Joined<Vec<Symbol>>> {
        std::thread::scope(|scope| {
            let call = |symbol| joiner.call(&1, symbol, Instant::now() + LONG, <[Symbol]>::to_vec).unwrap();
            let threads: Vec<_> = symbols.iter().map(|symbol| scope.spawn(move || call(*symbol))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn full_group_is_one_call_without_a_wait() {
        let names = symbols(&["A", "B", "C", "D"]);
        let results = calls(&Joiner::new(4, LONG), &names);
        assert!(results.iter().all(|joined| joined.result == names && joined.symbols == 4), "{results:?}");
        assert_eq!(results.iter().filter(|joined| joined.is_caller).count(), 1);
    }

    #[test]
    fn further_symbols_are_in_the_next_call() {
        let names = symbols(&["A", "B", "C", "D", "E", "F"]);
        let results = calls(&Joiner::new(2, LONG), &names);
        assert_eq!(results.iter().filter(|joined| joined.is_caller).count(), 3);
        for (name, joined) in names.iter().zip(&results) {
            assert!(joined.symbols == 2 && joined.result.contains(name), "{results:?}");
        }
    }

    #[test]
    fn call_without_others_ends_after_the_join_time() {
        let names = symbols(&["A"]);
        let result = calls(&Joiner::new(2, Duration::from_millis(1)), &names);
        assert_eq!((result[0].symbols, &result[0].result), (1, &names));
        assert_eq!(calls(&Joiner::new(1, LONG), &names)[0].symbols, 1, "no wait without joining");
    }

    #[test]
    fn member_does_not_wait_longer_than_its_deadline() {
        let joiner: Joiner<u8, u8> = Joiner::new(2, LONG);
        let (first, second) = (Symbol::constant("A"), Symbol::constant("B"));
        let (group, is_caller) = joiner.join(&1, first);
        assert!(is_caller);
        assert_eq!(joiner.call(&1, second, Instant::now(), |_| 1), None);
        assert_eq!(joiner.close(&1, &group), [first, second]);
    }
}
