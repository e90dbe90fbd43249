//! What is known of writers' schemas.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use apache_avro::Schema;
use contracts::WriterFault;

/// Ids that are unknown or unreadable are remembered up to this many: poisoned input may name any number of them.
const MAX_FAULTS: usize = 4_096;

type Answer = Result<Arc<Schema>, WriterFault>;

/// Known schemas for ever, the registry's "no" for a while, failures never. One fetch an id at a time.
pub(super) struct Cache {
    unknown_ttl: Duration,
    entries: Mutex<Entries>,
    changed: Condvar,
}

#[derive(Default)]
struct Entries {
    known: HashMap<u32, Arc<Schema>>,
    faults: HashMap<u32, (WriterFault, Instant)>,
    /// Fetches under way, and the answer of those that just ended, for whoever waits for them.
    flights: HashMap<u32, Arc<Mutex<Option<Answer>>>>,
}

impl Cache {
    pub(super) fn new(unknown_ttl: Duration) -> Self {
        Self { unknown_ttl, entries: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn know(&self, id: u32, schema: Arc<Schema>) {
        self.lock().known.insert(id, schema);
    }

    /// From memory, from a fetch that is under way, or by `fetch`.
    pub(super) fn get(&self, id: u32, patience: Duration, fetch: impl FnOnce() -> Answer) -> Answer {
        let mut entries = self.lock();
        if let Some(answer) = entries.remembered(id) {
            return answer;
        }
        if let Some(flight) = entries.flights.get(&id).cloned() {
            return self.wait_for(id, &flight, entries, patience);
        }
        let flight = Arc::new(Mutex::new(None));
        entries.flights.insert(id, Arc::clone(&flight));
        drop(entries);
        let answer = fetch();
        *flight.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.clone());
        let mut entries = self.lock();
        entries.flights.remove(&id);
        entries.remember(id, &answer, self.unknown_ttl);
        drop(entries);
        self.changed.notify_all();
        answer
    }

    fn wait_for(
        &self,
        id: u32,
        flight: &Mutex<Option<Answer>>,
        entries: MutexGuard<'_, Entries>,
        patience: Duration,
    ) -> Answer {
        let under_way = |entries: &mut Entries| entries.flights.contains_key(&id);
        let (entries, _) = self
            .changed
            .wait_timeout_while(entries, patience, under_way)
            .unwrap_or_else(PoisonError::into_inner);
        drop(entries);
        let answer = flight.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let late =
            || WriterFault::Unavailable { id, cause: "another thread's call has not ended".to_owned() };
        answer.unwrap_or_else(|| Err(late()))
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn remembered(&mut self, id: u32) -> Option<Answer> {
        if let Some(schema) = self.known.get(&id) {
            return Some(Ok(Arc::clone(schema)));
        }
        match self.faults.get(&id) {
            Some((fault, until)) if *until > Instant::now() => Some(Err(fault.clone())),
            Some(_) => {
                self.faults.remove(&id);
                None
            }
            None => None,
        }
    }

    fn remember(&mut self, id: u32, answer: &Answer, ttl: Duration) {
        match answer {
            Ok(schema) => {
                self.known.insert(id, Arc::clone(schema));
            }
            Err(WriterFault::Unavailable { .. }) => {}
            Err(fault) => {
                if self.faults.len() >= MAX_FAULTS {
                    self.faults.clear();
                }
                self.faults.insert(id, (fault.clone(), Instant::now() + ttl));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn schema() -> Arc<Schema> {
        Arc::new(Schema::parse_str(r#""string""#).unwrap())
    }

    #[test]
    fn what_is_known_is_never_fetched_again() {
        let cache = Cache::new(PATIENCE);
        cache.get(1, PATIENCE, || Ok(schema())).unwrap();
        assert!(cache.get(1, PATIENCE, || panic!("fetched again")).is_ok());
    }

    #[test]
    fn a_failure_is_never_remembered() {
        let cache = Cache::new(PATIENCE);
        let failure = WriterFault::Unavailable { id: 1, cause: "503".to_owned() };
        assert_eq!(cache.get(1, PATIENCE, || Err(failure.clone())).unwrap_err(), failure);
        assert!(cache.get(1, PATIENCE, || Ok(schema())).is_ok());
    }

    #[test]
    fn an_unknown_id_is_asked_for_again_only_after_a_while() {
        let cache = Cache::new(Duration::from_millis(50));
        let unknown = WriterFault::Unknown { id: 1 };
        assert_eq!(cache.get(1, PATIENCE, || Err(unknown.clone())).unwrap_err(), unknown);
        assert_eq!(cache.get(1, PATIENCE, || panic!("fetched again")).unwrap_err(), unknown);
        std::thread::park_timeout(Duration::from_millis(80));
        assert!(cache.get(1, PATIENCE, || Ok(schema())).is_ok());
    }

    #[test]
    fn threads_that_miss_together_share_one_fetch() {
        let (cache, fetches, begun) = (Cache::new(PATIENCE), AtomicUsize::new(0), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    begun.wait();
                    let answer = cache.get(7, PATIENCE, || {
                        fetches.fetch_add(1, Ordering::SeqCst);
                        std::thread::park_timeout(Duration::from_millis(100));
                        Ok(schema())
                    });
                    assert!(answer.is_ok());
                });
            }
        });
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
    }
}
