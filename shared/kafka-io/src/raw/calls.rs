//! Single calls that rust-rdkafka lacks or implements differently.

use std::ffi::CString;
use std::time::Duration;

use kit::SaturatingFrom;
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::producer::{Producer, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::memory::{NO_ERROR, bytes, owned};
use crate::call_error::CallError;

/// Commits the open transaction after librdkafka's own flush, which ignores linger. After `timeout` the commit continues in the
/// background, and the retriable error means that the call is to be repeated. Another thread has to poll the producer meanwhile, as that
/// of a `ThreadedProducer` does.
pub(crate) fn commit_transaction<C, P>(producer: &P, timeout: Duration) -> Result<(), CallError>
where
    C: ProducerContext,
    P: Producer<C>,
{
    let timeout_ms = i32::saturating_from(timeout.as_millis());
    // SAFETY: the client is alive.
    let error = unsafe { sys::rd_kafka_commit_transaction(producer.client().native_ptr(), timeout_ms) };
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the caller owns a non-null error.
    unsafe {
        let call_error = CallError {
            code: sys::rd_kafka_error_code(error).into(),
            text: owned(sys::rd_kafka_error_string(error)),
            fatal: sys::rd_kafka_error_is_fatal(error) != 0,
            retriable: sys::rd_kafka_error_is_retriable(error) != 0,
            abortable: sys::rd_kafka_error_txn_requires_abort(error) != 0,
            abandoned: false,
        };
        sys::rd_kafka_error_destroy(error);
        Err(call_error)
    }
}

/// Returns the generation (or member epoch) of the consumer in its group; 0 or less if it is not a member.
pub(crate) fn generation<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> i32 {
    // SAFETY: the client is alive; the metadata is a copy, destroyed below.
    unsafe {
        let metadata = sys::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return -1;
        }
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    }
}

/// Returns the high watermark of the last fetch of a partition, without a request. `None` if there was no fetch.
pub(crate) fn known_end<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Option<i64> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client and the string are alive during the call.
    let code = unsafe {
        sys::rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            topic.as_ptr(),
            partition,
            &mut low,
            &mut high,
        )
    };
    (code == NO_ERROR && high >= 0).then_some(high)
}

/// Returns the commit metadata of each element, in the list's order. rust-rdkafka panics on metadata that is not UTF-8, and any client
/// may have committed it.
pub(crate) fn metadata(list: &TopicPartitionList) -> Vec<Vec<u8>> {
    // SAFETY: the list is alive, its elements are `cnt` initialised structs; the memory that they point to is copied.
    unsafe {
        let list = &*list.ptr();
        let count = usize::try_from(list.cnt).unwrap_or(0);
        if count == 0 {
            return Vec::new();
        }
        std::slice::from_raw_parts(list.elems, count)
            .iter()
            .map(|element| bytes(element.metadata, element.metadata_size).unwrap_or_default().to_vec())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_that_is_not_utf8_is_read() {
        let mut list = TopicPartitionList::new();
        list.add_partition("a", 0);
        list.add_partition("a", 1).set_metadata("ab");
        // SAFETY: the second element's metadata are the two bytes that were just set.
        unsafe { (*(*list.ptr()).elems.add(1)).metadata.cast::<u8>().write(0xff) };
        assert_eq!(metadata(&list), [vec![], vec![0xff, b'b']]);
        assert!(metadata(&TopicPartitionList::new()).is_empty());
    }
}
