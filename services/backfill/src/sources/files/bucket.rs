//! Objects of a bucket of S3 as files of a folder.
//!
//! | module | content |
//! |---|---|
//! | `error` | errors of requests, and their class |
//! | `service` | requests over HTTP, with bounded responses |
//! | `signing` | HMAC for the signatures |
//!
//! A worker waits for the requests, which the runtime makes. An object is read by one request, so a replaced one is the old one or the new
//! one.

mod error;
mod service;
mod signing;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Clock;
use domain::Timestamp;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::{ObjectStoreExt, RetryConfig};
use tokio::runtime::Handle;

use self::error::{Failed, Failure};
use self::service::Service;
use self::signing::Sha256Provider;
use crate::config::SourceSection;
use crate::sources::csv_file::{Content, CsvError, Limits, of_bytes};

/// The maximum number of responses to one list: 1,000,000 names.
const LIST_PAGES_MAX: usize = 1_000;

/// The number of objects that are looked up at once.
const LOOKUPS: usize = 16;

/// The objects of a bucket below a prefix.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    store: AmazonS3,
    /// Empty, or ends with a slash.
    prefix: String,
    /// The address of the prefix, for errors.
    root: PathBuf,
    runtime: Handle,
    /// The maximum time of a call of the source.
    call_max: Duration,
}

/// Error of the settings of a bucket.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("invalid section source")]
    Invalid,
    #[error("failed to create an HTTP client")]
    Client(#[source] reqwest::Error),
    #[error("invalid settings of the bucket")]
    Settings(#[source] object_store::Error),
}

impl Bucket {
    pub(super) fn new(
        section: &SourceSection,
        runtime: Handle,
        clock: Arc<dyn Clock>,
        call_max: Duration,
    ) -> Result<Self, BucketError> {
        let (Some(key_id), Some(secret)) = (section.key_id.expose(), section.secret.expose()) else {
            return Err(BucketError::Invalid);
        };
        let endpoint = section.endpoint_url().ok_or(BucketError::Invalid)?;
        let service = Service::new(section, &endpoint, clock).map_err(BucketError::Client)?;
        let store = AmazonS3Builder::new()
            .with_bucket_name(&section.bucket)
            .with_endpoint(endpoint.as_str().trim_end_matches('/'))
            .with_virtual_hosted_style_request(!section.path_style)
            .with_region(&section.region)
            .with_access_key_id(key_id)
            .with_secret_access_key(secret)
            .with_crypto_provider(Arc::new(Sha256Provider))
            .with_http_connector(service)
            // The executor repeats calls, and has the circuit breaker of the source.
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .build()
            .map_err(BucketError::Settings)?;
        let prefix = section.folder.to_string_lossy().trim_matches('/').to_owned();
        let root = PathBuf::from(format!("s3://{}", section.bucket)).join(&prefix);
        let prefix = if prefix.is_empty() { prefix } else { format!("{prefix}/") };
        Ok(Self { store, prefix, root, runtime, call_max })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the time at which a call that begins now must have ended.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.call_max
    }

    pub(super) fn content(
        &self,
        below: &Path,
        limits: Limits,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<Content, CsvError> {
        let path = self.root.join(below);
        let object = self.run(&path, deadline, async {
            let object = self.store.get(&self.key(below)?).await?;
            let changed = object.meta.last_modified.timestamp_micros();
            Ok((object.bytes().await?, changed))
        });
        let (bytes, changed) = object?;
        let (bytes, changed) = (Vec::from(bytes), Timestamp::from_micros(changed));
        of_bytes(&path, bytes, limits, (changed, Some(now)))
    }

    /// Returns `true` if an object is below the prefix.
    pub(super) fn is_there(&self, deadline: Instant) -> Result<bool, CsvError> {
        let options = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
        let prefix = Some(self.prefix.as_str()).filter(|prefix| !prefix.is_empty());
        let list =
            self.run(&self.root, deadline, async { Ok(self.store.list_paginated(prefix, options).await?) });
        Ok(!list?.result.objects.is_empty())
    }

    /// Returns those names in a folder that begin with a text and are needed: of objects and of folders.
    pub(super) fn names(
        &self,
        folder: &Path,
        begin: &str,
        is_needed: impl Fn(&str) -> bool,
        deadline: Instant,
    ) -> Result<Vec<String>, CsvError> {
        let folder_prefix = match folder.as_os_str().is_empty() {
            true => self.prefix.clone(),
            false => format!("{}{}/", self.prefix, folder.display()),
        };
        let prefix = format!("{folder_prefix}{begin}");
        let mut names = Vec::new();
        self.run(&self.root.join(folder), deadline, async {
            let mut token = None;
            for _ in 0..LIST_PAGES_MAX {
                let options = PaginatedListOptions {
                    delimiter: Some("/".into()),
                    page_token: token,
                    ..PaginatedListOptions::default()
                };
                let prefix = Some(prefix.as_str()).filter(|prefix| !prefix.is_empty());
                let page = self.store.list_paginated(prefix, options).await?;
                let objects = page.result.objects.into_iter().map(|object| object.location);
                let names_of_page = objects.chain(page.result.common_prefixes);
                let needed = names_of_page.filter_map(|path| path.filename().map(str::to_owned));
                names.extend(needed.filter(|name| is_needed(name)));
                token = page.page_token;
                if token.is_none() {
                    return Ok(());
                }
            }
            Err(Failed::new(Failure::TooManyNames))
        })?;
        Ok(names)
    }

    /// Returns the first and the last of these objects that are there, and those that are needed.
    pub(super) fn present<T: Copy + Ord>(
        &self,
        objects: &[(T, PathBuf)],
        is_needed: impl Fn(T) -> bool,
        deadline: Instant,
    ) -> Result<Vec<T>, CsvError> {
        let mut present = BTreeSet::new();
        let needed: Vec<_> = objects.iter().filter(|(object, _)| is_needed(*object)).collect();
        for some in needed.chunks(LOOKUPS) {
            present.extend(self.have(some, deadline)?);
        }
        let ordered: Vec<_> = objects.iter().collect();
        let mut is_any = false;
        for some in ordered.chunks(LOOKUPS) {
            let found = self.have(some, deadline)?;
            present.extend(found.first());
            is_any = !found.is_empty();
            if is_any {
                break;
            }
        }
        if !is_any {
            return Ok(Vec::new());
        }
        for some in ordered.rchunks(LOOKUPS) {
            let found = self.have(some, deadline)?;
            present.extend(found.last());
            if !found.is_empty() {
                break;
            }
        }
        Ok(present.into_iter().collect())
    }

    /// Returns those of these objects that are there, looked up at once.
    fn have<T: Copy>(&self, objects: &[&(T, PathBuf)], deadline: Instant) -> Result<Vec<T>, CsvError> {
        let look_up = |(_, below): &&(T, PathBuf)| {
            let (store, key) = (self.store.clone(), self.key(below));
            self.runtime.spawn(async move { Ok::<_, Failed>(store.head(&key?).await?) })
        };
        let started: Vec<_> = objects.iter().map(look_up).collect();
        // All of them. At the deadline the timeouts of the client end those that are left.
        let results: Vec<_> = std::iter::zip(objects, started)
            .map(|((_, below), lookup)| {
                let path = self.root.join(below);
                self.run(&path, deadline, async { lookup.await.map_err(Failed::of_task)? })
            })
            .collect();
        let mut found = Vec::new();
        for ((object, _), result) in std::iter::zip(objects, results) {
            match result {
                Ok(_) => found.push(*object),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Returns the key of an object, as it is: a conversion would encode it, and the request once more.
    fn key(&self, below: &Path) -> Result<object_store::path::Path, Failed> {
        let key = format!("{}{}", self.prefix, below.display());
        object_store::path::Path::parse(key).map_err(|error| Failed::new(Failure::Key(error)))
    }

    /// Waits for requests, until the deadline at most.
    fn run<T>(
        &self,
        path: &Path,
        deadline: Instant,
        requests: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, CsvError> {
        let within = async { tokio::time::timeout_at(deadline.into(), requests).await };
        let result = self.runtime.block_on(within);
        let result = result.unwrap_or_else(|_| Err(Failed::new(Failure::Deadline(self.call_max))));
        result.map_err(|failed| failed.into_error(path))
    }
}
