//! What is known of writers' schemas.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use apache_avro::Schema;
use contracts::WriterError;

/// Ids that are unknown or unreadable are remembered up to this many: poisoned input may name any number of them.
const MAX_FAULTS: usize = 4_096;

type Answer = Result<Arc<Schema>, WriterError>;

/// Known schemas for ever, the registry's "no" for a while, failures never. One fetch an id at a time, which nobody need wait for.
pub(super) struct Cache {
    unknown_ttl: Duration,
    entries: Mutex<Entries>,
    changed: Condvar,
}

#[derive(Default)]
struct Entries {
    known: HashMap<u32, Arc<Schema>>,
    faults: HashMap<u32, (WriterError, Instant)>,
    /// Fetches under way, and the answer of those that just ended, for whoever waits for them.
    flights: HashMap<u32, Arc<Flight>>,
}

struct Flight {
    begun: Instant,
    answer: Mutex<Option<Answer>>,
}

/// A fetch under way, owned by whoever makes it. Dropped without an answer, it counts as failed.
pub(super) struct Landing {
    cache: Arc<Cache>,
    id: u32,
    flight: Arc<Flight>,
}

impl Cache {
    pub(super) fn new(unknown_ttl: Duration) -> Self {
        Self { unknown_ttl, entries: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn know(&self, id: u32, schema: Arc<Schema>) {
        self.lock().known.insert(id, schema);
    }

    /// From memory, or from the fetch that is under way or that `start` begins. Its answer is waited for until it is so old: however
    /// many ask, a fetch takes a thread no more than that.
    pub(super) fn get(self: &Arc<Self>, id: u32, wait: Duration, start: impl FnOnce(Landing)) -> Answer {
        let mut entries = self.lock();
        if let Some(answer) = entries.remembered(id) {
            return answer;
        }
        let flight = match entries.flights.get(&id) {
            Some(flight) => Arc::clone(flight),
            None => {
                let flight = Arc::new(Flight { begun: Instant::now(), answer: Mutex::default() });
                entries.flights.insert(id, Arc::clone(&flight));
                drop(entries);
                start(Landing { cache: Arc::clone(self), id, flight: Arc::clone(&flight) });
                entries = self.lock();
                flight
            }
        };
        let is_under_way = |entries: &mut Entries| {
            entries.flights.get(&id).is_some_and(|current| Arc::ptr_eq(current, &flight))
        };
        let (entries, _) = self
            .changed
            .wait_timeout_while(entries, wait.saturating_sub(flight.begun.elapsed()), is_under_way)
            .unwrap_or_else(PoisonError::into_inner);
        drop(entries);
        let answer = flight.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        answer.unwrap_or_else(|| {
            let cause = format!("no answer within {} ms, the lookup goes on", wait.as_millis());
            Err(WriterError::Unavailable { id, cause })
        })
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Landing {
    /// The fetch has ended.
    pub(super) fn land(self, answer: Answer) {
        *self.flight.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        // What it means is the business of its drop.
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let given_up =
            || WriterError::Unavailable { id: self.id, cause: "the lookup was given up".to_owned() };
        let answer = {
            let mut answer = self.flight.answer.lock().unwrap_or_else(PoisonError::into_inner);
            answer.get_or_insert_with(|| Err(given_up())).clone()
        };
        let mut entries = self.cache.lock();
        entries.flights.remove(&self.id);
        entries.remember(self.id, &answer, self.cache.unknown_ttl);
        drop(entries);
        self.cache.changed.notify_all();
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
            Err(WriterError::Unavailable { .. }) => {}
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

    fn cache() -> Arc<Cache> {
        Arc::new(Cache::new(Duration::from_millis(50)))
    }

    fn never(_: Landing) {
        panic!("fetched again")
    }

    #[test]
    fn what_is_known_is_never_fetched_again() {
        let cache = cache();
        cache.get(1, PATIENCE, |landing| landing.land(Ok(schema()))).unwrap();
        assert!(cache.get(1, PATIENCE, never).is_ok());
    }

    #[test]
    fn a_failure_is_never_remembered() {
        let cache = cache();
        let failure = WriterError::Unavailable { id: 1, cause: "503".to_owned() };
        assert_eq!(cache.get(1, PATIENCE, |it| it.land(Err(failure.clone()))).unwrap_err(), failure);
        assert!(cache.get(1, PATIENCE, |landing| landing.land(Ok(schema()))).is_ok());
    }

    #[test]
    fn an_unknown_id_is_asked_for_again_only_after_a_while() {
        let cache = cache();
        let unknown = WriterError::Unknown { id: 1 };
        assert_eq!(cache.get(1, PATIENCE, |it| it.land(Err(unknown.clone()))).unwrap_err(), unknown);
        assert_eq!(cache.get(1, PATIENCE, never).unwrap_err(), unknown);
        std::thread::park_timeout(Duration::from_millis(80));
        assert!(cache.get(1, PATIENCE, |landing| landing.land(Ok(schema()))).is_ok());
    }

    #[test]
    fn a_fetch_outlives_the_wait_for_it_and_its_answer_is_there_the_next_time() {
        let (cache, mut under_way) = (cache(), None);
        let late = cache.get(1, Duration::ZERO, |landing| under_way = Some(landing)).unwrap_err();
        assert!(matches!(late, WriterError::Unavailable { id: 1, .. }), "{late}");
        assert!(cache.get(1, Duration::ZERO, never).is_err(), "one fetch an id at a time");
        under_way.unwrap().land(Ok(schema()));
        assert!(cache.get(1, Duration::ZERO, never).is_ok());
    }

    #[test]
    fn a_fetch_that_ends_without_an_answer_is_made_anew() {
        let cache = cache();
        assert!(cache.get(1, PATIENCE, drop).unwrap_err().to_string().contains("given up"));
        assert!(cache.get(1, PATIENCE, |landing| landing.land(Ok(schema()))).is_ok());
    }

    #[test]
    fn threads_that_miss_together_share_one_fetch() {
        let (cache, fetches, begun) = (cache(), AtomicUsize::new(0), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    begun.wait();
                    let answer = cache.get(7, PATIENCE, |landing| {
                        fetches.fetch_add(1, Ordering::SeqCst);
                        std::thread::park_timeout(Duration::from_millis(100));
                        landing.land(Ok(schema()));
                    });
                    assert!(answer.is_ok());
                });
            }
        });
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
    }
}
