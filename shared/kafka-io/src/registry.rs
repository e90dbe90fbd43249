//! The schema registry: our own schemas registered at start, others' fetched when they are met, all remembered.
//!
//! The calls are schema_registry_converter's. Its cache is not used: it keeps a failed fetch for ever, whether it ended in a 404, a
//! 503 or a proxy's page. Ours keeps what is known for ever, what the registry says it doesn't know for a while, and failures not at
//! all; threads that miss the same id at the same time share one call.

mod cache;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use apache_avro::Schema;
use contracts::{Topic, WriterFault, WriterSchemas};
use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_id, post_schema};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, SchemaType, SuppliedSchema};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use self::cache::Cache;

/// The registry's own code for "no schema of this id".
const SCHEMA_NOT_FOUND: u32 = 40_403;

/// First wait before a failed registration is tried again; doubled up to [`LONGEST_WAIT`], each with full jitter.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Where the registry is and how long to wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Its address, as `http://localhost:8081`; the Confluent-compatible API begins there.
    pub url: String,
    /// How long one call may take.
    pub timeout_ms: u32,
    /// How long a start waits for a registry that doesn't answer.
    pub start_patience_ms: u32,
    /// How long an id that the registry doesn't know is not asked for again.
    pub unknown_ttl_ms: u32,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            url: "http://localhost:8081".to_owned(),
            timeout_ms: 5_000,
            start_patience_ms: 30_000,
            unknown_ttl_ms: 45_000,
        }
    }
}

/// The registry can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The address is none.
    #[error("registry url {url:?} is no http address, as http://localhost:8081: {cause}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// It doesn't answer, or not as a registry does.
    #[error("registry {url} did not register {subject} within {waited_ms} ms: {cause}")]
    Unreachable {
        /// Its address.
        url: String,
        /// The subject.
        subject: String,
        /// How long it was tried.
        waited_ms: u32,
        /// The last failure.
        cause: String,
    },
    /// It answers, and refuses the schema: incompatible with an earlier version, or not allowed.
    #[error("registry {url} refuses {subject}: {cause}")]
    Refused {
        /// Its address.
        url: String,
        /// The subject.
        subject: String,
        /// Its words, with its error code.
        cause: String,
    },
    /// No schema of this topic was registered at start.
    #[error("no schema of {topic} was registered at start")]
    NotRegistered {
        /// The topic.
        topic: Topic,
    },
}

/// The registry, behind our cache. Cloned freely.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    config: RegistryConfig,
    settings: SrSettings,
    runtime: Handle,
    own: RwLock<HashMap<Topic, u32>>,
    cache: Cache,
}

/// Why one call failed.
enum Failure {
    /// The registry has said so.
    Said { code: u32, message: String },
    /// Anything else: later it may succeed.
    Transient(String),
}

impl Registry {
    /// A registry; nothing is asked yet. Calls run on `runtime`, whoever waits for them.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(config: &RegistryConfig, runtime: Handle) -> Result<Self, RegistryError> {
        let url = config.url.trim_end_matches('/').to_owned();
        let bad = |cause: String| RegistryError::Url { url: config.url.clone(), cause };
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(bad("it does not begin with http://".to_owned()));
        }
        let settings = SrSettings::new_builder(url)
            .set_timeout(Duration::from_millis(config.timeout_ms.into()))
            // The registry is a neighbour; a proxy for the outer world would answer in its place.
            .no_proxy()
            .build()
            .map_err(|error| bad(error.to_string()))?;
        let cache = Cache::new(Duration::from_millis(config.unknown_ttl_ms.into()));
        Ok(Self(Arc::new(Inner { config: config.clone(), settings, runtime, own: RwLock::default(), cache })))
    }

    /// Registers our schemas of these topics (dead-letter topics have none) and remembers their ids. A registry that doesn't answer
    /// is waited for.
    ///
    /// # Errors
    /// When it doesn't answer in time, or refuses one.
    pub async fn register(&self, topics: &[Topic]) -> Result<(), RegistryError> {
        let deadline = Instant::now() + Duration::from_millis(self.0.config.start_patience_ms.into());
        for topic in topics {
            if let (Some(subject), Some(contract)) = (topic.subject(), contracts::catalogue::contract(*topic))
            {
                let id = self.register_one(&subject, contract.schema, deadline).await?;
                // Our own schemas are proven to parse by the tests of `contracts`.
                if let Ok(schema) = Schema::parse_str(contract.schema) {
                    self.0.cache.know(id, Arc::new(schema));
                }
                self.0.own.write().unwrap_or_else(PoisonError::into_inner).insert(*topic, id);
            }
        }
        Ok(())
    }

    /// The id under which events of this topic are written.
    ///
    /// # Errors
    /// When [`Registry::register`] hasn't registered it.
    pub fn id(&self, topic: Topic) -> Result<u32, RegistryError> {
        let own = self.0.own.read().unwrap_or_else(PoisonError::into_inner);
        own.get(&topic).copied().ok_or(RegistryError::NotRegistered { topic })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.config.url
    }

    async fn register_one(
        &self,
        subject: &str,
        schema: &str,
        deadline: Instant,
    ) -> Result<u32, RegistryError> {
        let mut wait = FIRST_WAIT;
        loop {
            let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
            let cause = match post_schema(&self.0.settings, subject.to_owned(), supplied).await {
                Ok(registered) => return Ok(registered.id),
                Err(error) => match Failure::of(&error) {
                    Failure::Said { code, message } if !is_transient(code) => {
                        return Err(RegistryError::Refused {
                            url: self.0.config.url.clone(),
                            subject: subject.to_owned(),
                            cause: format!("{message} ({code})"),
                        });
                    }
                    Failure::Said { code, message } => format!("{message} ({code})"),
                    Failure::Transient(cause) => cause,
                },
            };
            let pause = jittered(wait);
            if Instant::now() + pause >= deadline {
                return Err(RegistryError::Unreachable {
                    url: self.0.config.url.clone(),
                    subject: subject.to_owned(),
                    waited_ms: self.0.config.start_patience_ms,
                    cause,
                });
            }
            tracing::warn!(url = self.0.config.url, subject, cause, "registry asked again");
            tokio::time::sleep(pause).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// One call, made on the runtime while this thread waits: it may be a driver's, which is no part of the runtime.
    fn fetch(&self, id: u32) -> Result<Arc<Schema>, WriterFault> {
        let (answer, answered) = sync_channel(1);
        let inner = Arc::clone(&self.0);
        // Not supervised: it ends with its one bounded call, and whoever wants its result waits below.
        let _detached = self.0.runtime.spawn(async move {
            let schema = get_schema_by_id(id, &inner.settings).await;
            // Nobody listens any more when the wait below is over.
            let _heard = answer.send(schema);
        });
        let patience = Duration::from_millis(u64::from(self.0.config.timeout_ms) + 500);
        let unavailable = |cause: String| WriterFault::Unavailable {
            id,
            cause: format!("registry {}: {cause}", self.0.config.url),
        };
        match answered.recv_timeout(patience) {
            Ok(Ok(found)) if found.schema_type == SchemaType::Avro => Schema::parse_str(&found.schema)
                .map(Arc::new)
                .map_err(|error| WriterFault::Unreadable { id, cause: error.to_string() }),
            Ok(Ok(found)) => {
                Err(WriterFault::Unreadable { id, cause: format!("it is {:?}, not Avro", found.schema_type) })
            }
            Ok(Err(error)) => Err(match Failure::of(&error) {
                Failure::Said { code: SCHEMA_NOT_FOUND, .. } => WriterFault::Unknown { id },
                Failure::Said { code, message } => unavailable(format!("{message} ({code})")),
                Failure::Transient(cause) => unavailable(cause),
            }),
            Err(_) => Err(unavailable(format!("no answer within {} ms", patience.as_millis()))),
        }
    }
}

impl WriterSchemas for Registry {
    /// From memory, or by one bounded call. Blocks: for driver and worker threads, not for async tasks.
    fn writer(&self, id: u32) -> Result<Arc<Schema>, WriterFault> {
        let patience = Duration::from_millis(2 * u64::from(self.0.config.timeout_ms) + 1_000);
        self.0.cache.get(id, patience, || self.fetch(id))
    }
}

// === impl Failure ===

impl Failure {
    fn of(error: &SRCError) -> Self {
        let said = std::error::Error::source(error).and_then(|source| source.downcast_ref::<RawError>());
        match said {
            // Code 0 is the crate's way to say that the answer was no registry's: a proxy's page, a cut body.
            Some(said) if said.error_code != 0 => {
                Self::Said { code: said.error_code, message: said.message.clone() }
            }
            _ => Self::Transient(match &error.cause {
                Some(cause) => format!("{}: {cause}", error.error),
                None => error.error.clone(),
            }),
        }
    }
}

/// Codes are an HTTP status, or one with two more digits.
fn is_transient(code: u32) -> bool {
    let status = if code >= 10_000 { code / 100 } else { code };
    matches!(status, 408 | 429 | 500..)
}

/// Full jitter: anything up to `wait`, so that replicas that start together don't ask together.
fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(Instant::now());
    let thousandths = u32::try_from(random % 1_000).unwrap_or(0) + 1;
    wait * thousandths / 1_000
}
