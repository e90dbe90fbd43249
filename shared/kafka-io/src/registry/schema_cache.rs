//! Cache of writers' schemas.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use apache_avro::Schema;
use contracts::WriterError;

/// Cached errors, of unknown or unreadable ids: malformed input may contain any number of ids.
const ERRORS_MAX: usize = 4_096;

type SchemaResult = Result<Arc<Schema>, WriterError>;

/// Keeps schemas indefinitely, unknown and unreadable ids for a time, and no other failures. There is one fetch per id at a time, which
/// continues if no caller waits for it.
pub(super) struct SchemaCache {
    unknown_ttl: Duration,
    entries: Mutex<Entries>,
    changed: Condvar,
}

#[derive(Default)]
struct Entries {
    schemas: HashMap<u32, Arc<Schema>>,
    /// Errors, each with its expiry.
    errors: HashMap<u32, (WriterError, Instant)>,
    /// Fetches in flight.
    fetches: HashMap<u32, Arc<Fetch>>,
}

/// A fetch that all callers of its id share.
struct Fetch {
    started: Instant,
    result: Mutex<Option<SchemaResult>>,
}

/// A fetch in flight, owned by the task that makes it. If it is dropped without a result, it counts as failed.
pub(super) struct PendingFetch {
    cache: Arc<SchemaCache>,
    id: u32,
    fetch: Arc<Fetch>,
}

impl SchemaCache {
    pub(super) fn new(unknown_ttl: Duration) -> Self {
        Self { unknown_ttl, entries: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn insert(&self, id: u32, schema: Arc<Schema>) {
        self.lock().schemas.insert(id, schema);
    }

    /// Returns the cached result, or that of the fetch in flight or started by `start`. It waits until the fetch is `wait` old, so all
    /// callers together wait no longer than that for one fetch.
    pub(super) fn get(
        self: &Arc<Self>,
        id: u32,
        wait: Duration,
        start: impl FnOnce(PendingFetch),
    ) -> SchemaResult {
        let mut entries = self.lock();
        if let Some(result) = entries.cached(id) {
            return result;
        }
        let fetch = match entries.fetches.get(&id) {
            Some(fetch) => Arc::clone(fetch),
            None => {
                let fetch = Arc::new(Fetch { started: Instant::now(), result: Mutex::default() });
                entries.fetches.insert(id, Arc::clone(&fetch));
                drop(entries);
                start(PendingFetch { cache: Arc::clone(self), id, fetch: Arc::clone(&fetch) });
                entries = self.lock();
                fetch
            }
        };
        let is_in_flight = |entries: &mut Entries| {
            entries.fetches.get(&id).is_some_and(|current| Arc::ptr_eq(current, &fetch))
        };
        let (entries, _) = self
            .changed
            .wait_timeout_while(entries, wait.saturating_sub(fetch.started.elapsed()), is_in_flight)
            .unwrap_or_else(PoisonError::into_inner);
        drop(entries);
        let result = fetch.result.lock().unwrap_or_else(PoisonError::into_inner).clone();
        result.unwrap_or_else(|| {
            let cause = format!("timed out after {} ms: the lookup continues", wait.as_millis());
            Err(WriterError::Unavailable { id, cause })
        })
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingFetch {
    /// Ends the fetch with this result. The drop stores it and notifies the callers.
    pub(super) fn complete(self, result: SchemaResult) {
        *self.fetch.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }
}

impl Drop for PendingFetch {
    fn drop(&mut self) {
        let cancelled = || WriterError::Unavailable { id: self.id, cause: "lookup cancelled".to_owned() };
        let result = {
            let mut result = self.fetch.result.lock().unwrap_or_else(PoisonError::into_inner);
            result.get_or_insert_with(|| Err(cancelled())).clone()
        };
        let mut entries = self.cache.lock();
        entries.fetches.remove(&self.id);
        entries.store(self.id, &result, self.cache.unknown_ttl);
        drop(entries);
        self.cache.changed.notify_all();
    }
}

impl Entries {
    fn cached(&mut self, id: u32) -> Option<SchemaResult> {
        if let Some(schema) = self.schemas.get(&id) {
            return Some(Ok(Arc::clone(schema)));
        }
        match self.errors.get(&id) {
            Some((error, until)) if *until > Instant::now() => Some(Err(error.clone())),
            Some(_) => {
                self.errors.remove(&id);
                None
            }
            None => None,
        }
    }

    fn store(&mut self, id: u32, result: &SchemaResult, ttl: Duration) {
        match result {
            Ok(schema) => {
                self.schemas.insert(id, Arc::clone(schema));
            }
            Err(WriterError::Unavailable { .. }) => {}
            Err(error) => {
                if self.errors.len() >= ERRORS_MAX {
                    self.errors.clear();
                }
                self.errors.insert(id, (error.clone(), Instant::now() + ttl));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    fn schema() -> Arc<Schema> {
        Arc::new(Schema::parse_str(r#""string""#).unwrap())
    }

    fn cache_of(unknown_ttl: Duration) -> Arc<SchemaCache> {
        Arc::new(SchemaCache::new(unknown_ttl))
    }

    fn cache() -> Arc<SchemaCache> {
        cache_of(Duration::from_secs(3_600))
    }

    fn never(_: PendingFetch) {
        panic!("fetched again")
    }

    #[test]
    fn cached_schema_is_not_fetched_again() {
        let cache = cache();
        cache.get(1, TIMEOUT, |fetch| fetch.complete(Ok(schema()))).unwrap();
        assert_eq!(cache.get(1, TIMEOUT, never), Ok(schema()));
    }

    #[test]
    fn failure_is_not_cached() {
        let cache = cache();
        let failure = WriterError::Unavailable { id: 1, cause: "503".to_owned() };
        assert_eq!(cache.get(1, TIMEOUT, |it| it.complete(Err(failure.clone()))), Err(failure));
        assert_eq!(cache.get(1, TIMEOUT, |fetch| fetch.complete(Ok(schema()))), Ok(schema()));
    }

    #[test]
    fn unknown_id_is_fetched_again_after_its_ttl_only() {
        let unknown = WriterError::Unknown { id: 1 };
        for (ttl, expected) in
            [(Duration::from_secs(3_600), Err(unknown.clone())), (Duration::ZERO, Ok(schema()))]
        {
            let cache = cache_of(ttl);
            assert_eq!(cache.get(1, TIMEOUT, |it| it.complete(Err(unknown.clone()))), Err(unknown.clone()));
            assert_eq!(cache.get(1, TIMEOUT, |fetch| fetch.complete(Ok(schema()))), expected, "{ttl:?}");
        }
    }

    #[test]
    fn fetch_outlives_the_wait_and_its_result_is_cached() {
        let (cache, mut in_flight) = (cache(), None);
        let timed_out = cache.get(1, Duration::ZERO, |fetch| in_flight = Some(fetch)).unwrap_err();
        assert!(matches!(timed_out, WriterError::Unavailable { id: 1, .. }), "{timed_out}");
        assert_eq!(cache.get(1, Duration::ZERO, never), Err(timed_out), "one fetch per id at a time");
        in_flight.unwrap().complete(Ok(schema()));
        assert_eq!(cache.get(1, Duration::ZERO, never), Ok(schema()));
    }

    #[test]
    fn fetch_dropped_without_result_is_repeated() {
        let cache = cache();
        assert!(cache.get(1, TIMEOUT, drop).unwrap_err().to_string().contains("cancelled"));
        assert_eq!(cache.get(1, TIMEOUT, |fetch| fetch.complete(Ok(schema()))), Ok(schema()));
    }

    #[test]
    fn concurrent_misses_share_one_fetch() {
        let (cache, fetches, started) = (cache(), AtomicUsize::new(0), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    started.wait();
                    let result = cache.get(7, TIMEOUT, |fetch| {
                        fetches.fetch_add(1, Ordering::SeqCst);
                        std::thread::park_timeout(Duration::from_millis(100));
                        fetch.complete(Ok(schema()));
                    });
                    assert_eq!(result, Ok(schema()));
                });
            }
        });
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
    }
}
