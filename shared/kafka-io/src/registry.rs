//! Schema registry client: registers the schemas of a service at start, and fetches those of other writers on demand.
//!
//! The calls are those of schema_registry_converter. Its cache is not used, because it stores a failed fetch indefinitely, also after a
//! 503 or a proxy's page. This cache keeps schemas indefinitely, also on disk if there is a folder for it, unknown ids for a time, and
//! other failures not at all. Threads that miss the same id at the same time share one call, and a circuit breaker stops lookups
//! while the registry is unavailable.
//!
//! Start at [`Registry::start`] and [`Registry::writer`](contracts::WriterSchemas::writer).

mod address;
mod breaker;
mod config;
mod disk_cache;
mod error;
mod http_client;
mod meters;
mod registration;
mod retry_limit;
mod schema_cache;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use apache_avro::Schema;
use contracts::{Topic, WriterError, WriterSchemas};
use kit::Millis;
use kit::secret::redacted_address;
use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_id};
use schema_registry_converter::schema_registry_common::SchemaType;
use tokio::runtime::Handle;

pub use self::address::RegistryUrlError;
use self::breaker::{LookupBreaker, jitter};
pub use self::config::RegistryConfig;
use self::disk_cache::DiskCache;
pub use self::error::{RegistryCallError, RegistryError, RegistryErrorKind};
pub use self::http_client::{http_client, read_response};
use self::meters::{LookupOutcome, Meters};
use self::registration::{OwnSchema, Registration, own_schemas};
use self::retry_limit::RetryLimit;
use self::schema_cache::{PendingFetch, SchemaCache};
use crate::breaker_meters::BreakerMeters;
use crate::log_limit::LogLimit;

/// The name of its circuit breaker in metrics.
const TARGET: &str = "registry";

/// The registry's error code for "no schema of this id".
const SCHEMA_NOT_FOUND: u32 = 40_403;

/// A client of the schema registry, with caches. Clones share one client.
#[derive(Clone)]
pub struct Registry(Arc<Shared>);

struct Shared {
    config: RegistryConfig,
    /// The address, normalized, without a slash at its end.
    url: String,
    settings: SrSettings,
    runtime: Handle,
    own_ids: RwLock<HashMap<Topic, u32>>,
    cache: Arc<SchemaCache>,
    breaker: LookupBreaker,
    disk: Option<DiskCache>,
    meters: Meters,
}

/// Receives an error that is retried.
pub type OnRetry = dyn Fn(&RegistryCallError) + Send + Sync;

/// The origin of the schema ids of a service after its start.
#[derive(Debug)]
pub enum Started {
    /// The registry returned them.
    Registered,
    /// The cache folder contained them, and with this error the registry is unavailable, or another server responds in its place.
    /// [`Registry::confirm`] registers them later.
    Cached(RegistryError),
}

impl Registry {
    /// Creates a client without metrics. It makes no call yet. Calls run on `runtime`.
    ///
    /// # Errors
    /// If the address, the credentials or the file of certificate authorities is invalid.
    pub fn new(config: &RegistryConfig, runtime: Handle) -> Result<Self, RegistryError> {
        Self::create(config, runtime, (Meters::none(), BreakerMeters::none(TARGET)))
    }

    /// Creates a client with the metrics of `service`.
    ///
    /// # Errors
    /// As [`Registry::new`].
    pub fn of_service(
        service: &'static str,
        config: &RegistryConfig,
        runtime: Handle,
    ) -> Result<Self, RegistryError> {
        Self::create(config, runtime, (Meters::of(service), BreakerMeters::of(service, TARGET)))
    }

    fn create(
        config: &RegistryConfig,
        runtime: Handle,
        (meters, breaker): (Meters, BreakerMeters),
    ) -> Result<Self, RegistryError> {
        let url = address::parse(&config.url)
            .map(|url| address::base(&url))
            .map_err(|source| RegistryError::Url { url: redacted_address(&config.url), source })?;
        let disk = DiskCache::open(&config.cache_folder, &url);
        let settings = SrSettings::new_builder(url.clone())
            .set_timeout(config.timeout_ms.as_duration())
            .build_with(http_client(config)?)
            .map_err(|error| RegistryError::Client { url: url.clone(), source: error.into() })?;
        Ok(Self(Arc::new(Shared {
            config: config.clone(),
            url,
            settings,
            runtime,
            own_ids: RwLock::default(),
            cache: Arc::new(SchemaCache::new(config.unknown_ttl_ms.as_duration())),
            breaker: LookupBreaker::new(config.breaker_failures, breaker),
            disk,
            meters,
        })))
    }

    /// Registers the schemas of these topics (dead-letter topics have none) and stores their ids. Retries for `start_patience_ms`
    /// while the registry is unavailable.
    ///
    /// # Errors
    /// If the registry stays unavailable, denies access or rejects a schema.
    pub async fn register(&self, topics: &[Topic]) -> Result<(), RegistryError> {
        self.register_within(topics, self.0.config.start_patience_ms, &|_| {}).await
    }

    /// Registers as [`Registry::register`]. If the cache folder holds the ids of exactly these schemas, it waits only
    /// `cached_start_patience_ms` for an unavailable registry, and then uses those ids; at once if a server responds that is no registry,
    /// as an ingress without a backend does. `waiting` receives each error that is retried.
    ///
    /// # Errors
    /// If the registry denies access or rejects a schema, or if it stays unavailable, or is none, and an id is missing in the folder.
    pub async fn start(&self, topics: &[Topic], waiting: &OnRetry) -> Result<Started, RegistryError> {
        let pinned = self.pinned(topics);
        let limit = match pinned {
            Some(_) => self.0.config.cached_start_patience_ms.min(self.0.config.start_patience_ms),
            None => self.0.config.start_patience_ms,
        };
        match (self.register_within(topics, limit, waiting).await, pinned) {
            (Ok(()), _) => Ok(Started::Registered),
            (Err(error), Some(pinned)) if error.may_end() => {
                self.0.meters.set_unconfirmed(pinned.len());
                self.adopt(&pinned);
                Ok(Started::Cached(error))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Registers the schemas of a start that returned [`Started::Cached`]. Retries without a time limit, also while a server responds that
    /// is no registry: the configured address has been one.
    ///
    /// # Errors
    /// If the registry denies access or rejects a schema, or has another id than that which records were written with.
    pub async fn confirm(&self, topics: &[Topic]) -> Result<(), RegistryError> {
        for own in own_schemas(topics) {
            let id = self.register_one(&own, RetryLimit::Unlimited, &|_| {}).await?;
            let pinned = self.own_id(own.topic).unwrap_or(id);
            if pinned != id {
                let url = self.0.url.clone();
                return Err(RegistryError::OtherId { url, subject: own.subject, id, pinned });
            }
        }
        self.0.meters.set_unconfirmed(0);
        Ok(())
    }

    /// Returns the schema id for events of this topic.
    ///
    /// # Errors
    /// If its schema was not registered.
    pub fn id(&self, topic: Topic) -> Result<u32, RegistryError> {
        self.own_id(topic).ok_or(RegistryError::NotRegistered { topic })
    }

    /// Returns the registry's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    fn own_id(&self, topic: Topic) -> Option<u32> {
        self.0.own_ids.read().unwrap_or_else(PoisonError::into_inner).get(&topic).copied()
    }

    /// Returns the ids in the cache folder. `None` if one is missing.
    fn pinned(&self, topics: &[Topic]) -> Option<Vec<(OwnSchema, u32)>> {
        let disk = self.0.disk.as_ref()?;
        let id_of = |own: OwnSchema| disk.own(&own.subject, own.schema).map(|id| (own, id));
        own_schemas(topics).map(id_of).collect()
    }

    async fn register_within(
        &self,
        topics: &[Topic],
        limit: Millis<u32>,
        waiting: &OnRetry,
    ) -> Result<(), RegistryError> {
        let deadline = Instant::now() + limit.as_duration();
        let limit = RetryLimit::Until { deadline, waited_ms: limit.get() };
        let mut registered = Vec::new();
        for own in own_schemas(topics) {
            let id = self.register_one(&own, limit, waiting).await?;
            registered.push((own, id));
        }
        if let Some(disk) = &self.0.disk {
            let ids: Vec<_> =
                registered.iter().map(|(own, id)| (own.subject.clone(), own.schema, *id)).collect();
            disk.store_own(&ids);
        }
        self.adopt(&registered);
        Ok(())
    }

    /// Uses these ids for the service's schemas, and fills the cache with them and with the schemas in the cache folder.
    fn adopt(&self, ids: &[(OwnSchema, u32)]) {
        for (id, schema) in self.0.disk.iter().flat_map(DiskCache::writers) {
            self.0.cache.insert(id, schema);
        }
        for (own, id) in ids {
            // The tests of `contracts` parse each of these schemas.
            if let Ok(schema) = Schema::parse_str(own.schema) {
                self.0.cache.insert(*id, Arc::new(schema));
            }
            self.0.own_ids.write().unwrap_or_else(PoisonError::into_inner).insert(own.topic, *id);
        }
    }

    async fn register_one(
        &self,
        own: &OwnSchema,
        limit: RetryLimit,
        waiting: &OnRetry,
    ) -> Result<u32, RegistryError> {
        let (url, subject) = (&self.0.url, &own.subject);
        let registration = Registration { settings: &self.0.settings, limit };
        let (mut backoff, mut line) = (limit.backoff(), LogLimit::default());
        let mut last = None;
        loop {
            let error = match registration.find_or_register(own).await {
                Ok(id) => return Ok(id),
                // The attempt before it has a cause, the end of the time limit has none.
                Err(RegistryCallError::TimedOut) => last.take().unwrap_or(RegistryCallError::TimedOut),
                Err(error) if limit.admits_retry(&error) => error,
                Err(source) => return Err(self.permanent(own, source)),
            };
            let wait = jitter().of(backoff.fail());
            if let Some(waited_ms) = limit.exceeded_after(wait) {
                let (url, subject) = (url.clone(), subject.clone());
                return Err(RegistryError::Unreachable { url, subject, waited_ms, source: error });
            }
            if let Some(suppressed) = line.admit(Instant::now()) {
                tracing::warn!(url, subject, %error, suppressed, "failed to register a schema: retrying");
            }
            waiting(&error);
            last = Some(error);
            tokio::time::sleep(wait).await;
        }
    }

    fn permanent(&self, own: &OwnSchema, source: RegistryCallError) -> RegistryError {
        let (url, subject) = (self.0.url.clone(), own.subject.clone());
        match source {
            RegistryCallError::NotRegistry(_) => RegistryError::NotRegistry { url, subject, source },
            RegistryCallError::Denied(_) => {
                let user = self.0.config.username.clone().unwrap_or_else(|| "an unnamed user".to_owned());
                RegistryError::Denied { url, user, subject, source }
            }
            _ => RegistryError::Rejected { url, subject, source },
        }
    }

    /// Starts a lookup on the runtime, unless the breaker is open.
    fn look_up(&self, id: u32, pending: PendingFetch) {
        if let Err(left) = self.0.breaker.admit() {
            self.0.meters.count(LookupOutcome::Shed);
            let cause =
                format!("registry {} unavailable: next attempt in {} ms", self.url(), left.as_millis());
            pending.complete(Err(WriterError::Unavailable { id, cause }));
            return;
        }
        let shared = Arc::clone(&self.0);
        // Not supervised: the task ends with its one bounded call, and callers wait for the pending fetch.
        let _detached = self.0.runtime.spawn(async move {
            let fetched = shared.fetch(id).await;
            shared.report(&fetched);
            let (result, text) = match fetched {
                Ok((schema, text)) => (Ok(schema), Some(text)),
                Err(error) => (Err(error), None),
            };
            pending.complete(result);
            if let Some(text) = text.filter(|_| shared.disk.is_some()) {
                let store = move || shared.disk.iter().for_each(|disk| disk.store_writer(id, &text));
                // No component depends on it; a failure was logged.
                drop(tokio::task::spawn_blocking(store).await);
            }
        });
    }
}

impl Shared {
    /// Fetches a schema with one call. Returns it parsed and as text.
    async fn fetch(&self, id: u32) -> Result<(Arc<Schema>, String), WriterError> {
        let url = &self.url;
        let unavailable =
            |cause: String| WriterError::Unavailable { id, cause: format!("registry {url}: {cause}") };
        let timeout = self.config.timeout_ms.as_duration();
        match tokio::time::timeout(timeout, get_schema_by_id(id, &self.settings)).await {
            Ok(Ok(found)) if found.schema_type == SchemaType::Avro => {
                match Schema::parse_str(&found.schema) {
                    Ok(schema) => Ok((Arc::new(schema), found.schema)),
                    Err(error) => Err(WriterError::Unreadable { id, cause: error.to_string() }),
                }
            }
            Ok(Ok(found)) => {
                Err(WriterError::Unreadable { id, cause: format!("it is {:?}, not Avro", found.schema_type) })
            }
            Ok(Err(error)) => Err(match RegistryCallError::from(error) {
                RegistryCallError::Response { code: SCHEMA_NOT_FOUND, .. } => WriterError::Unknown { id },
                error => unavailable(error.to_string()),
            }),
            Err(_) => Err(unavailable(format!("timed out after {} ms", timeout.as_millis()))),
        }
    }

    /// Reports the outcome of a lookup to breaker and metrics.
    fn report<T>(&self, fetched: &Result<T, WriterError>) {
        let outcome = match fetched {
            Ok(_) => LookupOutcome::Found,
            Err(WriterError::Unknown { .. }) => LookupOutcome::Unknown,
            Err(WriterError::Unreadable { .. }) => LookupOutcome::Unreadable,
            Err(WriterError::Unavailable { .. }) => LookupOutcome::Unavailable,
        };
        self.meters.count(outcome);
        match outcome {
            LookupOutcome::Unavailable => self.breaker.failed(),
            _ => self.breaker.succeeded(),
        }
    }
}

impl WriterSchemas for Registry {
    /// Returns a schema from the cache, or fetches it with one bounded call, for which it waits `lookup_wait_ms`. Blocks: for driver
    /// and worker threads, not for async tasks.
    fn writer(&self, id: u32) -> Result<Arc<Schema>, WriterError> {
        let wait = self.0.config.lookup_wait_ms.as_duration();
        self.0.cache.get(id, wait, |pending| self.look_up(id, pending))
    }
}
