//! The schema registry: our own schemas registered at start, others' fetched when they are met, all remembered.
//!
//! The calls are schema_registry_converter's. Its cache is not used: it keeps a failed fetch for ever, whether it ended in a 404, a
//! 503 or a proxy's page. Ours keeps what is known for ever, also on disk when there is a folder for it, what the registry says it
//! doesn't know for a while, and failures not at all; threads that miss the same id at the same time share one call, and while the
//! registry doesn't answer a breaker spares it further ones.
//!
//! Start at [`Registry::start`] and [`Registry::writer`](contracts::WriterSchemas::writer).

mod breaker;
mod cache;
mod config;
mod disk;
mod door;
mod error;
mod meters;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use apache_avro::Schema;
use contracts::{Topic, WriterError, WriterSchemas};
use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_id, post_schema};
use schema_registry_converter::schema_registry_common::{SchemaType, SuppliedSchema};
use tokio::runtime::Handle;

use self::breaker::{Breaker, jittered};
use self::cache::{Cache, Landing};
pub use self::config::RegistryConfig;
use self::disk::Disk;
pub use self::door::{HttpError, http_client};
pub use self::error::RegistryError;
use self::error::{Failure, is_transient};
use self::meters::{Lookup, Meters};

/// The registry's own code for "no schema of this id".
const SCHEMA_NOT_FOUND: u32 = 40_403;

/// First wait before a failed registration is tried again; doubled up to one of the others, each with full jitter.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT_AT_START: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The registry, behind our cache. Cloned freely.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    config: RegistryConfig,
    settings: SrSettings,
    runtime: Handle,
    own: RwLock<HashMap<Topic, u32>>,
    cache: Arc<Cache>,
    breaker: Breaker,
    disk: Option<Disk>,
    meters: Meters,
}

/// How a service came to the ids of its own schemas.
#[derive(Debug)]
pub enum Started {
    /// The registry gave them.
    Registered,
    /// The registry is away, for this reason: they are those that it gave before. [`Registry::confirm`] asks it again.
    Cached(RegistryError),
}

/// Our schema of a topic.
struct OwnSchema {
    topic: Topic,
    subject: String,
    schema: &'static str,
}

/// How long a registration is tried.
#[derive(Clone, Copy)]
enum Patience {
    Until { deadline: Instant, waited_ms: u32 },
    Endless,
}

impl Registry {
    /// A registry without metrics; nothing is asked yet. Calls run on `runtime`, whoever waits for them.
    ///
    /// # Errors
    /// When the address is none, or the file of the authorities.
    pub fn new(config: &RegistryConfig, runtime: Handle) -> Result<Self, RegistryError> {
        Self::make(config, runtime, Meters::none())
    }

    /// A registry whose lookups are counted as those of `service`.
    ///
    /// # Errors
    /// When the address is none, or the file of the authorities.
    pub fn of_service(
        service: &'static str,
        config: &RegistryConfig,
        runtime: Handle,
    ) -> Result<Self, RegistryError> {
        Self::make(config, runtime, Meters::of(service))
    }

    fn make(config: &RegistryConfig, runtime: Handle, meters: Meters) -> Result<Self, RegistryError> {
        let url = config.url.trim_end_matches('/').to_owned();
        let bad = |cause: String| RegistryError::Url { url: config.url.clone(), cause };
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(bad("it does not begin with http://".to_owned()));
        }
        let disk = Disk::open(&config.cache_folder, &url);
        let settings = SrSettings::new_builder(url)
            .set_timeout(Duration::from_millis(config.timeout_ms.into()))
            .build_with(http_client(config)?)
            .map_err(|error| bad(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            config: config.clone(),
            settings,
            runtime,
            own: RwLock::default(),
            cache: Arc::new(Cache::new(Duration::from_millis(config.unknown_ttl_ms.into()))),
            breaker: Breaker::new(config.breaker_failures),
            disk,
            meters,
        })))
    }

    /// Registers our schemas of these topics (dead-letter topics have none) and remembers their ids. A registry that doesn't answer
    /// is waited for.
    ///
    /// # Errors
    /// When it doesn't answer in time, or refuses one.
    pub async fn register(&self, topics: &[Topic]) -> Result<(), RegistryError> {
        self.register_within(topics, self.0.config.start_patience_ms).await
    }

    /// As [`Registry::register`], but when the cache folder holds the ids of just these schemas, a registry that doesn't answer is
    /// waited for only shortly, and done without.
    ///
    /// # Errors
    /// When it refuses one, or doesn't answer in time and an id is missing.
    pub async fn start(&self, topics: &[Topic]) -> Result<Started, RegistryError> {
        let pinned = self.pinned(topics);
        let patience_ms = match pinned {
            Some(_) => self.0.config.cached_start_patience_ms.min(self.0.config.start_patience_ms),
            None => self.0.config.start_patience_ms,
        };
        match (self.register_within(topics, patience_ms).await, pinned) {
            (Ok(()), _) => Ok(Started::Registered),
            (Err(away @ RegistryError::Unreachable { .. }), Some(pinned)) => {
                self.0.meters.unconfirmed(pinned.len());
                self.adopt(&pinned);
                Ok(Started::Cached(away))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Registers the schemas of a start that did without the registry, however long that takes.
    ///
    /// # Errors
    /// When it refuses one, or gives it another id than records were written under.
    pub async fn confirm(&self, topics: &[Topic]) -> Result<(), RegistryError> {
        for own in own_schemas(topics) {
            let id = self.register_one(&own, Patience::Endless).await?;
            let pinned = self.own_id(own.topic).unwrap_or(id);
            if pinned != id {
                let url = self.0.config.url.clone();
                return Err(RegistryError::OtherId { url, subject: own.subject, id, pinned });
            }
        }
        self.0.meters.unconfirmed(0);
        Ok(())
    }

    /// The id under which events of this topic are written.
    ///
    /// # Errors
    /// When [`Registry::register`] hasn't registered it.
    pub fn id(&self, topic: Topic) -> Result<u32, RegistryError> {
        self.own_id(topic).ok_or(RegistryError::NotRegistered { topic })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.config.url
    }

    fn own_id(&self, topic: Topic) -> Option<u32> {
        self.0.own.read().unwrap_or_else(PoisonError::into_inner).get(&topic).copied()
    }

    /// The ids of our schemas as the cache folder has them, when it has all.
    fn pinned(&self, topics: &[Topic]) -> Option<Vec<(OwnSchema, u32)>> {
        let disk = self.0.disk.as_ref()?;
        let id_of = |own: OwnSchema| disk.own(&own.subject, own.schema).map(|id| (own, id));
        own_schemas(topics).map(id_of).collect()
    }

    async fn register_within(&self, topics: &[Topic], patience_ms: u32) -> Result<(), RegistryError> {
        let deadline = Instant::now() + Duration::from_millis(patience_ms.into());
        let patience = Patience::Until { deadline, waited_ms: patience_ms };
        let mut registered = Vec::new();
        for own in own_schemas(topics) {
            let id = self.register_one(&own, patience).await?;
            registered.push((own, id));
        }
        if let Some(disk) = &self.0.disk {
            let kept: Vec<_> =
                registered.iter().map(|(own, id)| (own.subject.clone(), own.schema, *id)).collect();
            disk.keep_own(&kept);
        }
        self.adopt(&registered);
        Ok(())
    }

    /// These are the ids of our schemas; and what the cache folder knows of others is known.
    fn adopt(&self, ids: &[(OwnSchema, u32)]) {
        for (id, schema) in self.0.disk.iter().flat_map(Disk::writers) {
            self.0.cache.know(id, schema);
        }
        for (own, id) in ids {
            // Our own schemas are proven to parse by the tests of `contracts`.
            if let Ok(schema) = Schema::parse_str(own.schema) {
                self.0.cache.know(*id, Arc::new(schema));
            }
            self.0.own.write().unwrap_or_else(PoisonError::into_inner).insert(own.topic, *id);
        }
    }

    async fn register_one(&self, own: &OwnSchema, patience: Patience) -> Result<u32, RegistryError> {
        let (url, subject) = (&self.0.config.url, &own.subject);
        let mut wait = FIRST_WAIT;
        loop {
            let cause = match self.post(own, patience).await {
                Ok(id) => return Ok(id),
                Err(Failure::Said { code, message }) if !is_transient(code) => {
                    let cause = format!("{message} ({code})");
                    return Err(RegistryError::Refused { url: url.clone(), subject: subject.clone(), cause });
                }
                Err(Failure::Denied(cause)) => {
                    let user = self.0.config.username.clone().unwrap_or_else(|| "nobody".to_owned());
                    return Err(RegistryError::Denied {
                        url: url.clone(),
                        user,
                        subject: subject.clone(),
                        cause,
                    });
                }
                Err(Failure::Said { code, message }) => format!("{message} ({code})"),
                Err(Failure::Transient(cause)) => cause,
            };
            let pause = jittered(wait);
            let longest = match patience {
                Patience::Endless => LONGEST_WAIT,
                Patience::Until { deadline, .. } if Instant::now() + pause < deadline => {
                    LONGEST_WAIT_AT_START
                }
                Patience::Until { waited_ms, .. } => {
                    let (url, subject) = (url.clone(), subject.clone());
                    return Err(RegistryError::Unreachable { url, subject, waited_ms, cause });
                }
            };
            tracing::warn!(url, subject, cause, "registry asked again");
            tokio::time::sleep(pause).await;
            wait = (wait * 2).min(longest);
        }
    }

    /// One call, which takes no longer than the patience.
    async fn post(&self, own: &OwnSchema, patience: Patience) -> Result<u32, Failure> {
        let supplied = SuppliedSchema::new(None, SchemaType::Avro, own.schema.to_owned());
        let call = post_schema(&self.0.settings, own.subject.clone(), supplied);
        let answer = match patience {
            Patience::Endless => call.await,
            Patience::Until { deadline, .. } => tokio::time::timeout_at(deadline.into(), call)
                .await
                .map_err(|_| Failure::Transient("no answer".to_owned()))?,
        };
        answer.map(|registered| registered.id).map_err(|error| Failure::of(&error))
    }

    /// Begins a lookup on the runtime, unless the breaker is open.
    fn look_up(&self, id: u32, landing: Landing) {
        if let Err(left) = self.0.breaker.admit(Instant::now()) {
            self.0.meters.looked_up(Lookup::Shed);
            let cause =
                format!("registry {} has not answered, asked again in {} ms", self.url(), left.as_millis());
            landing.land(Err(WriterError::Unavailable { id, cause }));
            return;
        }
        let inner = Arc::clone(&self.0);
        // Not supervised: it ends with its one bounded call, and whoever wants its result waits for the landing.
        let _detached = self.0.runtime.spawn(async move {
            let fetched = inner.fetch(id).await;
            inner.note(&fetched);
            let (answer, text) = match fetched {
                Ok((schema, text)) => (Ok(schema), Some(text)),
                Err(fault) => (Err(fault), None),
            };
            landing.land(answer);
            if let Some(text) = text.filter(|_| inner.disk.is_some()) {
                let keep = move || inner.disk.iter().for_each(|disk| disk.keep_writer(id, &text));
                // Nothing depends on it: what can't be kept has been told.
                drop(tokio::task::spawn_blocking(keep).await);
            }
        });
    }
}

impl Inner {
    /// One call.
    async fn fetch(&self, id: u32) -> Result<(Arc<Schema>, String), WriterError> {
        let url = &self.config.url;
        let unavailable =
            |cause: String| WriterError::Unavailable { id, cause: format!("registry {url}: {cause}") };
        let timeout = Duration::from_millis(self.config.timeout_ms.into());
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
            Ok(Err(error)) => Err(match Failure::of(&error) {
                Failure::Said { code: SCHEMA_NOT_FOUND, .. } => WriterError::Unknown { id },
                Failure::Said { code, message } => unavailable(format!("{message} ({code})")),
                Failure::Denied(cause) | Failure::Transient(cause) => unavailable(cause),
            }),
            Err(_) => Err(unavailable(format!("no answer within {} ms", timeout.as_millis()))),
        }
    }

    /// Tells breaker and metrics how a lookup ended.
    fn note<T>(&self, fetched: &Result<T, WriterError>) {
        let lookup = match fetched {
            Ok(_) => Lookup::Found,
            Err(WriterError::Unknown { .. }) => Lookup::Unknown,
            Err(WriterError::Unreadable { .. }) => Lookup::Unreadable,
            Err(WriterError::Unavailable { .. }) => Lookup::Unavailable,
        };
        self.meters.looked_up(lookup);
        let is_open = match lookup {
            Lookup::Unavailable => self.breaker.failed(Instant::now()),
            _ => {
                self.breaker.answered();
                false
            }
        };
        self.meters.breaker_is_open(is_open);
    }
}

impl WriterSchemas for Registry {
    /// From memory, or by one bounded call, waited for as long as the configuration says. Blocks: for driver and worker threads,
    /// not for async tasks.
    fn writer(&self, id: u32) -> Result<Arc<Schema>, WriterError> {
        let wait = Duration::from_millis(self.0.config.lookup_wait_ms.into());
        self.0.cache.get(id, wait, |landing| self.look_up(id, landing))
    }
}

fn own_schemas(topics: &[Topic]) -> impl Iterator<Item = OwnSchema> {
    topics.iter().filter_map(|topic| {
        let schema = contracts::catalogue::contract(*topic)?.schema;
        Some(OwnSchema { topic: *topic, subject: topic.subject()?, schema })
    })
}
