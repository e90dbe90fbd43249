//! The bucket of a build without the feature `s3`: there is none. A configuration with a bucket is rejected.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Clock;
use domain::Timestamp;
use tokio::runtime::Handle;

use crate::config::SourceSection;
use crate::sources::csv_file::{Content, CsvError, Limits};

#[derive(Debug, Clone)]
pub(super) enum Bucket {}

/// Error of the settings of a bucket.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("this build lacks the feature `s3`")]
    Invalid,
}

impl Bucket {
    pub(super) fn new(
        _section: &SourceSection,
        _runtime: Handle,
        _clock: Arc<dyn Clock>,
        _call_max: Duration,
    ) -> Result<Self, BucketError> {
        Err(BucketError::Invalid)
    }

    pub(super) fn root(&self) -> &Path {
        match *self {}
    }

    pub(super) fn deadline(&self) -> Instant {
        match *self {}
    }

    pub(super) fn content(
        &self,
        _below: &Path,
        _limits: Limits,
        _now: Timestamp,
        _deadline: Instant,
    ) -> Result<Content, CsvError> {
        match *self {}
    }

    pub(super) fn is_there(&self, _deadline: Instant) -> Result<bool, CsvError> {
        match *self {}
    }

    pub(super) fn names(
        &self,
        _: &Path,
        _: &str,
        _is_needed: impl Fn(&str) -> bool,
        _deadline: Instant,
    ) -> Result<Vec<String>, CsvError> {
        match *self {}
    }

    pub(super) fn present<T: Copy + Ord>(
        &self,
        _objects: &[(T, PathBuf)],
        _is_needed: impl Fn(T) -> bool,
        _deadline: Instant,
    ) -> Result<Vec<T>, CsvError> {
        match *self {}
    }
}
