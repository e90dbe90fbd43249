//! Batches at least once: produced, acknowledged, and committed later.

use std::sync::{Arc, Mutex};

use pipeline::BatchId;
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

use super::acknowledgements::{Acknowledgements, Attempt, denied, lock, native, queue};
use super::outcome::BatchOutcome;
use crate::call_error::CallError;
use crate::driver::error::DriverError;
use crate::record::OutRecord;

pub(in crate::driver) struct PlainOutput {
    producer: ThreadedProducer<Acknowledgements>,
    acknowledged: Arc<Mutex<Attempt>>,
    in_flight: Option<BatchId>,
}

impl PlainOutput {
    pub(super) fn new(
        producer: ThreadedProducer<Acknowledgements>,
        acknowledged: Arc<Mutex<Attempt>>,
    ) -> Self {
        Self { producer, acknowledged, in_flight: None }
    }

    /// Queues the batch in librdkafka. [`PlainOutput::take_outcome`] returns its outcome.
    pub(super) fn produce(&mut self, batch: BatchId, records: &[&OutRecord]) -> Result<(), DriverError> {
        let number = lock(&self.acknowledged).begin(records.len());
        for record in records {
            let native = BaseRecord {
                headers: record.native_headers(),
                ..native(
                    record.topic.name(),
                    record.partition,
                    record.native_key(),
                    record.native_payload(),
                    number,
                )
            };
            // Without a deadline the queue is waited for.
            let _queued = queue(&self.producer, native, None);
        }
        lock(&self.acknowledged).check_producible()?;
        self.in_flight = Some(batch);
        Ok(())
    }

    /// Returns the batch in flight and its outcome. `None` until that is known.
    pub(super) fn take_outcome(&mut self) -> Result<Option<(BatchId, BatchOutcome)>, DriverError> {
        let Some(batch) = self.in_flight else { return Ok(None) };
        let failure = {
            let attempt = lock(&self.acknowledged);
            if attempt.outstanding > 0 {
                return Ok(None);
            }
            attempt.check_producible()?;
            attempt.failure.clone()
        };
        self.in_flight = None;
        let outcome = match failure {
            None => BatchOutcome::Delivered,
            Some((code, text)) => match self.producer.client().fatal_error().or(denied(code, &text)) {
                Some((code, text)) => BatchOutcome::Broken(CallError::fatal(code, text)),
                None => BatchOutcome::Failed(text),
            },
        };
        Ok(Some((batch, outcome)))
    }
}
