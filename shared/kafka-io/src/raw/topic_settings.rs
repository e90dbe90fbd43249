//! Changes of single settings of a topic.

use std::ffi::CString;
use std::ptr;
use std::time::Duration;

use kit::SaturatingFrom;
use rdkafka::admin::AdminClient;
use rdkafka::bindings as sys;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::memory::NO_ERROR;

/// Sets settings of a topic and leaves its others as they are: all of them, or none if the broker rejects one. Blocks.
pub(crate) fn change_settings<C: ClientContext>(
    admin: &AdminClient<C>,
    topic: &str,
    settings: &[(String, String)],
    timeout: Duration,
) -> Result<(), KafkaError> {
    let topic = CString::new(topic)?;
    let settings = settings
        .iter()
        .map(|(key, value)| Ok((CString::new(key.as_str())?, CString::new(value.as_str())?)))
        .collect::<Result<Vec<_>, KafkaError>>()?;
    let timeout_ms = i32::saturating_from(timeout.as_millis());
    let client = admin.inner().native_ptr();
    // SAFETY: the client and all strings are alive during the calls, which copy the strings; resource, queue, options and event are
    // destroyed below, and the result, which belongs to the event, is read before.
    unsafe {
        let resource = sys::rd_kafka_ConfigResource_new(
            sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC,
            topic.as_ptr(),
        );
        for (key, value) in &settings {
            let set = sys::rd_kafka_AlterConfigOpType_t::RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET;
            let error = sys::rd_kafka_ConfigResource_add_incremental_config(
                resource,
                key.as_ptr(),
                set,
                value.as_ptr(),
            );
            if !error.is_null() {
                let code = sys::rd_kafka_error_code(error);
                sys::rd_kafka_error_destroy(error);
                sys::rd_kafka_ConfigResource_destroy(resource);
                return Err(KafkaError::AdminOp(code.into()));
            }
        }
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS;
        let options = sys::rd_kafka_AdminOptions_new(client, operation);
        sys::rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, ptr::null_mut(), 0);
        let queue = sys::rd_kafka_queue_new(client);
        let mut resources = [resource];
        sys::rd_kafka_IncrementalAlterConfigs(
            client,
            resources.as_mut_ptr(),
            resources.len(),
            options,
            queue,
        );
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_ConfigResource_destroy(resource);
        let event = sys::rd_kafka_queue_poll(queue, timeout_ms.saturating_add(1_000));
        let changed = changed(event);
        if !event.is_null() {
            sys::rd_kafka_event_destroy(event);
        }
        sys::rd_kafka_queue_destroy(queue);
        changed
    }
}

/// # Safety
/// `event` is null, or the event of a change.
unsafe fn changed(event: *mut sys::rd_kafka_event_t) -> Result<(), KafkaError> {
    if event.is_null() {
        return Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut));
    }
    // SAFETY: guaranteed by the caller.
    unsafe {
        let code = sys::rd_kafka_event_error(event);
        if code != NO_ERROR {
            return Err(KafkaError::AdminOp(code.into()));
        }
        let result = sys::rd_kafka_event_IncrementalAlterConfigs_result(event);
        let mut count = 0;
        let resources = sys::rd_kafka_IncrementalAlterConfigs_result_resources(result, &mut count);
        for index in 0..count {
            let code = sys::rd_kafka_ConfigResource_error(*resources.add(index));
            if code != NO_ERROR {
                return Err(KafkaError::AdminOp(code.into()));
            }
        }
        Ok(())
    }
}
