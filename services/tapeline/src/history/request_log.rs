//! Requests for ranges and their ends, from the topics `backfill.range.*` alone.

use std::collections::BTreeMap;

use contracts::{
    BackfillErrorClass, Event, RangeCompletion, RangeFailure, RangeProgress, RangeRequest, Topic,
};
use kafka_io::OwnedRecord;
use serde::Serialize;
use uuid::Uuid;

use super::decoder::Decoder;
use crate::exit::Failure;

/// The topics of requests and their ends.
pub const REQUEST_TOPICS: [Topic; 4] =
    [Topic::RangeRequested, Topic::RangeProgressed, Topic::RangeCompleted, Topic::RangeFailed];

/// The requests of some partitions, by backfill.
#[derive(Debug, Default)]
pub struct RequestLog {
    backfills: BTreeMap<Uuid, LoggedBackfill>,
}

/// A backfill with its newest request and its newest end.
#[derive(Debug, Clone)]
pub struct LoggedBackfill {
    pub id: Uuid,
    pub symbol: String,
    /// The newest request. `None` if its topic no longer has any.
    pub request: Option<RangeRequest>,
    /// Append time of the newest request, milliseconds.
    pub requested_at_ms: i64,
    /// Append time of the newest request to cancel it, milliseconds.
    pub cancel_at_ms: Option<i64>,
    progress: Option<(i64, Progress)>,
    pub end: Option<AttemptEnd>,
}

/// The newest progress of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Written chunks.
    pub done: i32,
    pub total: i32,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    /// Append time, milliseconds.
    pub at_ms: i64,
    pub attempt: i32,
    pub outcome: Outcome,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Completed {
        /// Written records.
        records: i64,
    },
    Partial {
        records: i64,
        /// The first error.
        error: String,
    },
    Failed {
        class: BackfillErrorClass,
        is_retryable: bool,
        /// Calls to the source.
        calls: i32,
        error: String,
    },
}

/// The state of a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackfillState<'a> {
    /// Requested, and no chunk is written.
    Requested,
    /// Chunks are written.
    Running(Progress),
    Ended(&'a AttemptEnd),
}

impl BackfillState<'_> {
    /// Returns `true` if the newest request has no terminal event.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Ended(_))
    }

    /// Returns the name of the state.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Running(_) => "running",
            Self::Ended(end) => end.outcome.as_str(),
        }
    }
}

impl Outcome {
    /// Returns the name of the outcome.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Completed { .. } => "completed",
            Self::Partial { .. } => "partial",
            Self::Failed { class: BackfillErrorClass::Cancelled, .. } => "cancelled",
            Self::Failed { class: BackfillErrorClass::Duplicate, .. } => "duplicate",
            Self::Failed { .. } => "failed",
        }
    }

    /// Returns the class of a failure.
    #[must_use]
    pub const fn class(&self) -> Option<BackfillErrorClass> {
        match self {
            Self::Failed { class, .. } => Some(*class),
            Self::Completed { .. } | Self::Partial { .. } => None,
        }
    }

    /// Returns the number of records written for the request.
    #[must_use]
    pub const fn records(&self) -> i64 {
        match self {
            Self::Completed { records } | Self::Partial { records, .. } => *records,
            Self::Failed { .. } => 0,
        }
    }

    /// Returns the error.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Completed { .. } => None,
            Self::Partial { error, .. } | Self::Failed { error, .. } => Some(error),
        }
    }

    /// Returns the outcome of a completion.
    #[must_use]
    pub fn of_completion(event: &RangeCompletion) -> Self {
        let records = event.records.values().sum();
        match event.success {
            true => Self::Completed { records },
            false => Self::Partial { records, error: event.errors.first().cloned().unwrap_or_default() },
        }
    }

    /// Returns the outcome of a failure.
    #[must_use]
    pub fn of_failure(event: RangeFailure) -> Self {
        Self::Failed {
            class: event.error_class,
            is_retryable: event.retryable,
            calls: event.attempts,
            error: event.error,
        }
    }
}

impl LoggedBackfill {
    fn new(id: Uuid, symbol: &str) -> Self {
        Self {
            id,
            symbol: symbol.to_owned(),
            request: None,
            requested_at_ms: 0,
            cancel_at_ms: None,
            progress: None,
            end: None,
        }
    }

    /// Returns the state. A request is open if no terminal event was appended after it.
    #[must_use]
    pub fn state(&self) -> BackfillState<'_> {
        if let Some(end) = self.end.as_ref().filter(|end| end.at_ms >= self.requested_at_ms) {
            return BackfillState::Ended(end);
        }
        match self.progress {
            Some((at_ms, progress)) if at_ms >= self.requested_at_ms => BackfillState::Running(progress),
            _ => BackfillState::Requested,
        }
    }

    /// Returns the append time of the newest event, milliseconds.
    #[must_use]
    pub fn newest_ms(&self) -> i64 {
        self.requested_at_ms.max(self.end.as_ref().map_or(0, |end| end.at_ms))
    }
}

impl RequestLog {
    /// Adds a record of one of [`REQUEST_TOPICS`], in any order of topics.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] if the registry is unavailable.
    pub fn add(&mut self, record: &OwnedRecord, decoder: &mut Decoder<'_>) -> Result<(), Failure> {
        let at_ms = record.timestamp_ms;
        match record.topic {
            Topic::RangeRequested => self.requested(at_ms, decoder.event(record)?),
            Topic::RangeProgressed => {
                let Some(event) = decoder.event::<RangeProgress>(record)? else { return Ok(()) };
                let progress = Progress { done: event.done, total: event.total };
                if let Some(backfill) = self.backfill(&event.backfill_id, event.symbol()) {
                    let known = backfill.progress.get_or_insert((at_ms, progress));
                    if known.0 <= at_ms {
                        *known = (at_ms, progress);
                    }
                }
            }
            Topic::RangeCompleted => {
                let Some(event) = decoder.event::<RangeCompletion>(record)? else { return Ok(()) };
                let outcome = Outcome::of_completion(&event);
                let end = AttemptEnd { at_ms, attempt: event.attempt, outcome };
                self.ended(&event.backfill_id, event.symbol(), end);
            }
            Topic::RangeFailed => {
                let Some(event) = decoder.event::<RangeFailure>(record)? else { return Ok(()) };
                let (id, symbol, attempt) = (event.backfill_id.clone(), event.symbol.clone(), event.attempt);
                let end = AttemptEnd { at_ms, attempt, outcome: Outcome::of_failure(event) };
                self.ended(&id, &symbol, end);
            }
            _ => {}
        }
        Ok(())
    }

    fn requested(&mut self, at_ms: i64, event: Option<RangeRequest>) {
        let Some(event) = event else { return };
        let Some(backfill) = self.backfill(&event.backfill_id, &event.symbol) else { return };
        if event.cancel {
            backfill.cancel_at_ms = backfill.cancel_at_ms.max(Some(at_ms));
        } else if backfill.request.is_none() || backfill.requested_at_ms <= at_ms {
            backfill.requested_at_ms = at_ms;
            backfill.request = Some(event);
        }
    }

    fn ended(&mut self, id: &str, symbol: &str, end: AttemptEnd) {
        let Some(backfill) = self.backfill(id, symbol) else { return };
        if backfill.end.as_ref().is_none_or(|known| known.at_ms <= end.at_ms) {
            backfill.end = Some(end);
        }
    }

    fn backfill(&mut self, id: &str, symbol: &str) -> Option<&mut LoggedBackfill> {
        let id = Uuid::try_parse(id).ok()?;
        Some(self.backfills.entry(id).or_insert_with(|| LoggedBackfill::new(id, symbol)))
    }

    /// Returns the backfills that have a request or an end, the newest first.
    #[must_use]
    pub fn newest_first(self) -> Vec<LoggedBackfill> {
        let is_known = |backfill: &LoggedBackfill| backfill.request.is_some() || backfill.end.is_some();
        let mut backfills: Vec<_> = self.backfills.into_values().filter(is_known).collect();
        backfills.sort_by_key(|backfill| (std::cmp::Reverse(backfill.newest_ms()), backfill.id));
        backfills
    }
}

#[cfg(test)]
mod tests;
