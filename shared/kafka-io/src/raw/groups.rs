//! Members of a group, of either group protocol.

use std::ffi::CString;
use std::ptr;
use std::time::Duration;

use kit::SaturatingFrom;
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::memory::{NO_ERROR, owned};

/// Returns the members of a group as `client id at host`; none of a group that does not exist. Blocks.
pub(crate) fn members<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    group: &str,
    timeout: Duration,
) -> Result<Vec<String>, KafkaError> {
    let name = CString::new(group)?;
    let timeout_ms = i32::saturating_from(timeout.as_millis());
    let client = consumer.client().native_ptr();
    // SAFETY: the client and the name are alive during the calls; queue, options and event are destroyed below, and the result, which
    // belongs to the event, is read before.
    unsafe {
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
        let options = sys::rd_kafka_AdminOptions_new(client, operation);
        sys::rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, ptr::null_mut(), 0);
        let queue = sys::rd_kafka_queue_new(client);
        let mut names = [name.as_ptr()];
        sys::rd_kafka_DescribeConsumerGroups(client, names.as_mut_ptr(), names.len(), options, queue);
        sys::rd_kafka_AdminOptions_destroy(options);
        let event = sys::rd_kafka_queue_poll(queue, timeout_ms.saturating_add(1_000));
        let described = described(event);
        if !event.is_null() {
            sys::rd_kafka_event_destroy(event);
        }
        sys::rd_kafka_queue_destroy(queue);
        described
    }
}

/// # Safety
/// `event` is null, or the event of a description.
unsafe fn described(event: *mut sys::rd_kafka_event_t) -> Result<Vec<String>, KafkaError> {
    if event.is_null() {
        return Err(KafkaError::GroupListFetch(RDKafkaErrorCode::OperationTimedOut));
    }
    // SAFETY: guaranteed by the caller.
    unsafe {
        let code = sys::rd_kafka_event_error(event);
        if code != NO_ERROR {
            return Err(KafkaError::GroupListFetch(code.into()));
        }
        let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event);
        let mut count = 0;
        let groups = sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
        let mut members = Vec::new();
        for index in 0..count {
            let group = *groups.add(index);
            let error = sys::rd_kafka_ConsumerGroupDescription_error(group);
            let code = if error.is_null() { NO_ERROR } else { sys::rd_kafka_error_code(error) };
            match code.into() {
                RDKafkaErrorCode::NoError => {}
                RDKafkaErrorCode::GroupIdNotFound => continue,
                code => return Err(KafkaError::GroupListFetch(code)),
            }
            for member in 0..sys::rd_kafka_ConsumerGroupDescription_member_count(group) {
                let member = sys::rd_kafka_ConsumerGroupDescription_member(group, member);
                let client = owned(sys::rd_kafka_MemberDescription_client_id(member));
                let host = owned(sys::rd_kafka_MemberDescription_host(member));
                members.push(format!("{client} at {}", host.trim_start_matches('/')));
            }
        }
        Ok(members)
    }
}
