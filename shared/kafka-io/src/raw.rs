//! Parts of librdkafka's API that rust-rdkafka does not expose. The only unsafe code of the workspace.
//!
//! - The offset in an end-of-partition event: all records before it were returned, past transaction markers and gaps.
//!   `BaseConsumer::poll` returns only the partition number.
//! - A poll that returns rebalance events and commit results instead of invoking callbacks, and that another thread can interrupt.
//! - `rd_kafka_commit_transaction` without rust-rdkafka's preceding flush, which polls in steps of 100 ms.
//! - The members of a group of either protocol.
//! - Single settings of a topic: rust-rdkafka's `alter_configs` resets all others to their defaults.
//! - The member's generation, the high watermark of the last fetch, and commit metadata as bytes.
#![allow(unsafe_code)]

mod calls;
mod groups;
mod memory;
mod topic_settings;

use std::borrow::Cow;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kit::SaturatingFrom;
use rdkafka::bindings as sys;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::error_codes::is_access_denied;

pub(crate) use self::calls::{commit_transaction, generation, known_end, metadata};
pub(crate) use self::groups::members;
use self::memory::{NO_ERROR, bytes, owned};
pub(crate) use self::topic_settings::change_settings;

/// An event of a consumer's queue.
pub(crate) enum Polled<'c> {
    /// No event within the timeout, or the poll was interrupted.
    Nothing,
    /// A record.
    Record(Fetched<'c>),
    /// All records of this partition before `offset` were returned.
    End { topic: String, partition: i32, offset: i64 },
    /// The group assigns these partitions; to be confirmed by an assign call, at any time.
    Assign(Vec<(String, i32)>),
    /// The group revokes these partitions; to be confirmed by an unassign call, at any time.
    Revoke(Vec<(String, i32)>),
    /// The result of an offset commit, in the order of the requests.
    Committed(Result<(), RDKafkaErrorCode>),
    /// An error; `at` is its topic, partition and offset, if it has one.
    Failed { code: RDKafkaErrorCode, fatal: bool, text: String, at: Option<(String, i32, i64)> },
}

/// The queue of a consumer, bounded by the consumer's lifetime.
pub(crate) struct Poller<'c, C: ConsumerContext> {
    queue: Queue,
    consumer: &'c BaseConsumer<C>,
}

/// An owned reference to a librdkafka queue.
struct Queue(NonNull<sys::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues are locked inside; yielding, polling and destroying are allowed from any thread.
unsafe impl Send for Queue {}

/// An owned reference to an event, and so to all memory that the event points to.
struct Event(NonNull<sys::rd_kafka_event_t>);

// === impl Poller ===

impl<'c, C: ConsumerContext> Poller<'c, C> {
    /// Returns the queue of a consumer. `None` if the consumer has no group id.
    pub(crate) fn of(consumer: &'c BaseConsumer<C>) -> Option<Self> {
        Some(Self { queue: Queue::of(consumer)?, consumer })
    }

    /// Waits up to `timeout` for an event. Log lines and statistics go to the client's context.
    pub(crate) fn poll(&self, timeout: Duration) -> Polled<'c> {
        let mut event = self.next(timeout);
        while let Some(statistics) = event.take_if(|event| event.kind() == sys::RD_KAFKA_EVENT_STATS) {
            self.consumer.context().stats_raw(statistics.statistics());
            event = self.next(Duration::ZERO);
        }
        event.map_or(Polled::Nothing, |event| self.convert(event))
    }

    fn next(&self, timeout: Duration) -> Option<Event> {
        let timeout_ms = i32::saturating_from(timeout.as_millis());
        // SAFETY: the queue is alive; the event is owned by the caller of this function from here on.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.0.as_ptr(), timeout_ms) };
        NonNull::new(event).map(Event)
    }

    /// Requests a commit of these offsets; [`Polled::Committed`] is the result. (The result of rust-rdkafka's asynchronous commit goes
    /// to a callback, which is never invoked for a queue that is polled here.)
    pub(crate) fn commit(&self, offsets: &TopicPartitionList) -> Result<(), RDKafkaErrorCode> {
        let client = self.consumer.client().native_ptr();
        // SAFETY: client, list and queue are alive; the call copies the list, and takes a reference of its own to the queue.
        let code = unsafe {
            sys::rd_kafka_commit_queue(client, offsets.ptr(), self.queue.0.as_ptr(), None, ptr::null_mut())
        };
        if code == NO_ERROR { Ok(()) } else { Err(code.into()) }
    }

    fn convert(&self, event: Event) -> Polled<'c> {
        match event.kind() {
            sys::RD_KAFKA_EVENT_FETCH => Fetched::of(event).map_or(Polled::Nothing, Polled::Record),
            sys::RD_KAFKA_EVENT_ERROR => {
                let polled = event.failure();
                if let Polled::Failed { code, text, .. } = &polled
                    && is_access_denied(*code, text)
                {
                    self.consumer.context().error(KafkaError::Global(*code), text);
                }
                polled
            }
            sys::RD_KAFKA_EVENT_REBALANCE => match event.error() {
                sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                    Polled::Assign(event.partitions())
                }
                // librdkafka's manual: an error of a rebalance is handled as a revocation of the listed partitions.
                _ => Polled::Revoke(event.partitions()),
            },
            sys::RD_KAFKA_EVENT_OFFSET_COMMIT => Polled::Committed(match event.error() {
                NO_ERROR => Ok(()),
                error => Err(error.into()),
            }),
            sys::RD_KAFKA_EVENT_LOG => {
                if let Some((level, facility, text)) = event.log_line() {
                    self.consumer.context().log(log_level(level), &facility, &text);
                }
                Polled::Nothing
            }
            _ => Polled::Nothing,
        }
    }
}

// === impl Queue ===

impl Queue {
    fn of<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<Self> {
        // SAFETY: the client pointer is valid while the consumer exists; the call takes a reference of its own.
        let queue = unsafe { sys::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
        NonNull::new(queue).map(Self)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: we own one reference.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) }
    }
}

// === impl Event ===

impl Event {
    fn kind(&self) -> sys::rd_kafka_event_type_t {
        // SAFETY: the event is alive.
        unsafe { sys::rd_kafka_event_type(self.0.as_ptr()) }
    }

    fn error(&self) -> sys::rd_kafka_resp_err_t {
        // SAFETY: the event is alive.
        unsafe { sys::rd_kafka_event_error(self.0.as_ptr()) }
    }

    fn failure(&self) -> Polled<'static> {
        let event = self.0.as_ptr();
        // SAFETY: the event is alive and an error event; the topic-partition is a copy that we destroy.
        let (fatal, text, at) = unsafe {
            let fatal = sys::rd_kafka_event_error_is_fatal(event) != 0;
            let text = owned(sys::rd_kafka_event_error_string(event));
            let partition = sys::rd_kafka_event_topic_partition(event);
            let at = partition.as_ref().map(|p| (owned(p.topic), p.partition, p.offset));
            if !partition.is_null() {
                sys::rd_kafka_topic_partition_destroy(partition);
            }
            (fatal, text, at)
        };
        match (RDKafkaErrorCode::from(self.error()), at) {
            (RDKafkaErrorCode::PartitionEOF, Some((topic, partition, offset))) => {
                Polled::End { topic, partition, offset }
            }
            (code, at) => Polled::Failed { code, fatal, text, at },
        }
    }

    fn partitions(&self) -> Vec<(String, i32)> {
        // SAFETY: a rebalance event owns its list while it exists; the elements are `cnt` initialised structs.
        unsafe {
            let list = sys::rd_kafka_event_topic_partition_list(self.0.as_ptr());
            let Some(list) = list.as_ref() else { return Vec::new() };
            let count = usize::try_from(list.cnt).unwrap_or(0);
            if count == 0 {
                return Vec::new();
            }
            std::slice::from_raw_parts(list.elems, count)
                .iter()
                .map(|element| (owned(element.topic), element.partition))
                .collect()
        }
    }

    /// Returns the JSON of a statistics event.
    fn statistics(&self) -> &[u8] {
        // SAFETY: the event is alive and owns the text, which is a C string.
        let text = unsafe { sys::rd_kafka_event_stats(self.0.as_ptr()) };
        if text.is_null() {
            return &[];
        }
        // SAFETY: as above.
        unsafe { CStr::from_ptr(text) }.to_bytes()
    }

    fn log_line(&self) -> Option<(i32, String, String)> {
        let (mut facility, mut text, mut level) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the event is alive; the strings belong to it and are copied here.
        unsafe {
            match sys::rd_kafka_event_log(self.0.as_ptr(), &mut facility, &mut text, &mut level) {
                0 => Some((level, owned(facility), owned(text))),
                _ => None,
            }
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: we own the event.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

/// Converts a syslog level.
fn log_level(level: i32) -> RDKafkaLogLevel {
    match level {
        ..=3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 => RDKafkaLogLevel::Notice,
        6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    }
}

// === Fetched ===

/// A fetched record in librdkafka's memory. Bounded by the consumer's lifetime: it has to be dropped before the client.
pub(crate) struct Fetched<'c> {
    message: NonNull<sys::rd_kafka_message_t>,
    _event: Event,
    _consumer: PhantomData<&'c ()>,
}

impl Fetched<'_> {
    fn of(event: Event) -> Option<Self> {
        // SAFETY: a fetch event holds one message, which is valid as long as the event; the struct owns the event.
        let message = unsafe { sys::rd_kafka_event_message_next(event.0.as_ptr()) };
        Some(Self { message: NonNull::new(message.cast_mut())?, _event: event, _consumer: PhantomData })
    }

    fn message(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: it is part of the event that this struct owns, and nothing writes to it.
        unsafe { self.message.as_ref() }
    }

    pub(crate) fn topic(&self) -> &str {
        // SAFETY: the message holds a reference to its topic, whose name is a C string of ASCII.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.message().rkt)) }.to_str().unwrap_or_default()
    }

    pub(crate) fn partition(&self) -> i32 {
        self.message().partition
    }

    pub(crate) fn offset(&self) -> i64 {
        self.message().offset
    }

    pub(crate) fn key(&self) -> Option<&[u8]> {
        // SAFETY: key and key_len describe memory of the event.
        unsafe { bytes(self.message().key, self.message().key_len) }
    }

    pub(crate) fn payload(&self) -> Option<&[u8]> {
        // SAFETY: payload and len describe memory of the event.
        unsafe { bytes(self.message().payload, self.message().len) }
    }

    /// Returns the append time, milliseconds since 1970-01-01 UTC; -1 if the broker set none.
    pub(crate) fn timestamp_ms(&self) -> i64 {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive.
        unsafe { sys::rd_kafka_message_timestamp(self.message.as_ptr(), &mut kind) }
    }

    /// Returns the header at this index. Invalid UTF-8 in its name is replaced by U+FFFD.
    pub(crate) fn header(&self, index: usize) -> Option<(Cow<'_, str>, &[u8])> {
        let mut list = ptr::null_mut();
        let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list and the memory that it points to belong to the message, which parses and stores them once. Only the thread
        // that owns a record accesses it.
        unsafe {
            if sys::rd_kafka_message_headers(self.message.as_ptr(), &mut list) != NO_ERROR
                || sys::rd_kafka_header_get_all(list, index, &mut name, &mut value, &mut len) != NO_ERROR
            {
                return None;
            }
            Some((CStr::from_ptr(name).to_string_lossy(), bytes(value, len).unwrap_or_default()))
        }
    }
}

// === Wake ===

/// Interrupts the driver's poll from another thread: work was completed, a batch was acknowledged, a table has new records.
#[derive(Clone, Default)]
pub(crate) struct Wake(Arc<Mutex<Option<Queue>>>);

/// Connects a [`Wake`] to a consumer until it is dropped, which has to be before the consumer is.
pub(crate) struct WakeBinding<'c>(Wake, PhantomData<&'c ()>);

impl Wake {
    /// Interrupts the current poll, or the next one if there is none. Does nothing without a consumer.
    pub(crate) fn wake(&self) {
        if let Some(queue) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // SAFETY: the queue is alive: this is an owned reference, and `WakeBinding` removes it before the client ends.
            unsafe { sys::rd_kafka_queue_yield(queue.0.as_ptr()) }
        }
    }

    /// Connects it to this consumer.
    pub(crate) fn bind<'c, C: ConsumerContext>(&self, consumer: &'c BaseConsumer<C>) -> WakeBinding<'c> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Queue::of(consumer);
        WakeBinding(self.clone(), PhantomData)
    }
}

impl Drop for WakeBinding<'_> {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests;
