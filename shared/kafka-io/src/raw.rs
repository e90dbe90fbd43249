//! The only unsafe code of the workspace: what librdkafka offers and rust-rdkafka hides.
//!
//! - The offset in an end-of-partition event: it says that all before it was handed over, over transaction markers and holes;
//!   `BaseConsumer::poll` keeps the partition's number alone.
//! - A poll that hands out rebalance events and answers to commits instead of calling back, and that another thread can end early.
//! - `rd_kafka_commit_transaction` without rust-rdkafka's flush in front of it, which polls in steps of 100 ms.
//! - The member's generation, the end of a partition as the last fetch saw it, and the metadata of committed offsets as bytes.
#![allow(unsafe_code)]

mod calls;

use std::borrow::Cow;
use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::access_denied::is_access_denied;

pub(crate) use self::calls::{commit_transaction, generation, known_end, metadata};

/// One thing from a consumer's queue.
pub(crate) enum Polled<'c> {
    /// Nothing within the time given, or someone asked for an early return.
    Nothing,
    /// A record.
    Record(Fetched<'c>),
    /// Everything before `offset` of this partition was handed over.
    End { topic: String, partition: i32, offset: i64 },
    /// The group gives these partitions; answered by an assign call, at any time.
    Assign(Vec<(String, i32)>),
    /// The group takes these partitions; answered by an unassign call, at any time.
    Revoke(Vec<(String, i32)>),
    /// What became of a commit of offsets, in the order in which they were asked for.
    Committed(Result<(), RDKafkaErrorCode>),
    /// An error; `at` is its topic, partition and offset where it has one.
    Failed { code: RDKafkaErrorCode, fatal: bool, text: String, at: Option<(String, i32, i64)> },
}

/// The consumer's queue. Lives no longer than the consumer.
pub(crate) struct Poller<'c, C: ConsumerContext> {
    queue: Queue,
    consumer: &'c BaseConsumer<C>,
}

/// An owned reference to a librdkafka queue.
struct Queue(NonNull<sys::rd_kafka_queue_t>);

// SAFETY: librdkafka's queues are locked inside; yielding, polling and destroying are allowed from any thread.
unsafe impl Send for Queue {}

/// An owned reference to an event, and through it to all memory that the event shows.
struct Event(NonNull<sys::rd_kafka_event_t>);

// === impl Poller ===

impl<'c, C: ConsumerContext> Poller<'c, C> {
    /// The queue of a consumer that has a group id.
    pub(crate) fn of(consumer: &'c BaseConsumer<C>) -> Option<Self> {
        Some(Self { queue: Queue::of(consumer)?, consumer })
    }

    /// Waits up to `timeout` for one thing. Log lines go to the client's context.
    pub(crate) fn poll(&self, timeout: Duration) -> Polled<'c> {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive; the event is owned by the caller of this function from here on.
        let event = unsafe { sys::rd_kafka_queue_poll(self.queue.0.as_ptr(), timeout_ms) };
        match NonNull::new(event).map(Event) {
            Some(event) => self.sort(event),
            None => Polled::Nothing,
        }
    }

    /// Asks for a commit of these offsets; [`Polled::Committed`] answers. (An answer to rust-rdkafka's asynchronous commit goes to a
    /// callback that is never called for a queue polled here.)
    pub(crate) fn commit(&self, offsets: &TopicPartitionList) -> Result<(), RDKafkaErrorCode> {
        let client = self.consumer.client().native_ptr();
        // SAFETY: client, list and queue are alive; the call copies the list, and takes a reference of its own to the queue.
        let answer = unsafe {
            sys::rd_kafka_commit_queue(client, offsets.ptr(), self.queue.0.as_ptr(), None, ptr::null_mut())
        };
        if answer == NO_ERROR { Ok(()) } else { Err(answer.into()) }
    }

    fn sort(&self, event: Event) -> Polled<'c> {
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
                // Errors of a rebalance are answered like a revocation of what it lists: librdkafka's manual asks for that.
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
        // SAFETY: the client pointer is valid while the consumer lives; the call takes a reference of its own.
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
            let place = sys::rd_kafka_event_topic_partition(event);
            let at = place.as_ref().map(|p| (owned(p.topic), p.partition, p.offset));
            if !place.is_null() {
                sys::rd_kafka_topic_partition_destroy(place);
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
        // SAFETY: a rebalance event owns its list while it lives; the elements are `cnt` initialised structs.
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

/// Syslog's levels.
fn log_level(level: i32) -> RDKafkaLogLevel {
    match level {
        ..=3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 => RDKafkaLogLevel::Notice,
        6 => RDKafkaLogLevel::Info,
        _ => RDKafkaLogLevel::Debug,
    }
}

/// # Safety
/// `text` is null or a C string.
unsafe fn owned(text: *const std::ffi::c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().trim_end().to_owned()
}

// === Fetched ===

/// One record in librdkafka's memory. Bounded by the consumer's lifetime: it is to be gone before the client is.
pub(crate) struct Fetched<'c> {
    message: NonNull<sys::rd_kafka_message_t>,
    _event: Event,
    _consumer: PhantomData<&'c ()>,
}

impl Fetched<'_> {
    fn of(event: Event) -> Option<Self> {
        // SAFETY: a fetch event holds one message; it lives in the event, which we keep.
        let message = unsafe { sys::rd_kafka_event_message_next(event.0.as_ptr()) };
        Some(Self { message: NonNull::new(message.cast_mut())?, _event: event, _consumer: PhantomData })
    }

    fn message(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: it lives in the event that this struct owns, and nothing writes to it.
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

    /// The append time that the broker gave it, milliseconds since 1970; -1 when it has none.
    pub(crate) fn timestamp_ms(&self) -> i64 {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive.
        unsafe { sys::rd_kafka_message_timestamp(self.message.as_ptr(), &mut kind) }
    }

    /// The header at this index. A name may be any bytes.
    pub(crate) fn header(&self, index: usize) -> Option<(Cow<'_, str>, &[u8])> {
        let mut list = ptr::null_mut();
        let (mut name, mut value, mut len) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list and what it shows belong to the message; parsing happens once and is kept there. A record is only
        // ever touched by the thread that owns it.
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

const NO_ERROR: sys::rd_kafka_resp_err_t = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

/// # Safety
/// `start` is null or points to `len` bytes that live as long as the borrow that the caller gives out.
unsafe fn bytes<'a>(start: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast::<u8>(), len) })
}

// === Wake ===

/// Ends the driver's wait from another thread: work was completed, a batch was acknowledged, a table has news.
#[derive(Clone, Default)]
pub(crate) struct Wake(Arc<Mutex<Option<Queue>>>);

/// While it lives, [`Wake`] reaches this consumer; to be dropped before the consumer is.
pub(crate) struct Awake<'c>(Wake, PhantomData<&'c ()>);

impl Wake {
    /// Ends the current wait, or the next one when nobody waits. Without a consumer it does nothing.
    pub(crate) fn wake(&self) {
        if let Some(queue) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // SAFETY: the queue is alive: we own a reference, and `Awake` takes it away before the client ends.
            unsafe { sys::rd_kafka_queue_yield(queue.0.as_ptr()) }
        }
    }

    /// From now on it wakes this consumer.
    pub(crate) fn bind<'c, C: ConsumerContext>(&self, consumer: &'c BaseConsumer<C>) -> Awake<'c> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Queue::of(consumer);
        Awake(self.clone(), PhantomData)
    }
}

impl Drop for Awake<'_> {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests;
