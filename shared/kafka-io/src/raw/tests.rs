//! Records that only clients of other languages can write, on a mocked broker.

use std::ffi::{CString, c_int, c_void};
use std::time::{Duration, Instant};

use contracts::Topic;
use rdkafka::producer::Producer;

use super::*;
use crate::client::{self, LogContext};
use crate::config::KafkaConfig;
use crate::dead_letter::{self, Cause};
use crate::record::InRecord;

const TOPIC: Topic = Topic::AlertRaised;
const TIMEOUT: Duration = Duration::from_secs(20);

/// Produces one record with two headers; a name may be any bytes but 0.
fn produce(client: *mut sys::rd_kafka_t, names: [&[u8]; 2]) -> sys::rd_kafka_resp_err_t {
    use sys::rd_kafka_vtype_t::{
        RD_KAFKA_VTYPE_END as END, RD_KAFKA_VTYPE_HEADER as HEADER, RD_KAFKA_VTYPE_PARTITION as PARTITION,
        RD_KAFKA_VTYPE_TOPIC as TOPIC_NAME,
    };
    let topic = CString::new(TOPIC.name()).unwrap();
    let [first, second] = names.map(|name| CString::new(name).unwrap());
    let (value, len): (*const c_void, isize) = (b"v".as_ptr().cast(), 1);
    // SAFETY: the client is alive, each tag is followed by the arguments of librdkafka's manual, and the call copies everything.
    unsafe {
        sys::rd_kafka_producev(
            client,
            TOPIC_NAME as c_int,
            topic.as_ptr(),
            PARTITION as c_int,
            0_i32,
            HEADER as c_int,
            first.as_ptr(),
            value,
            len,
            HEADER as c_int,
            second.as_ptr(),
            value,
            len,
            END as c_int,
        )
    }
}

fn first_record<'c>(poller: &Poller<'c, LogContext>) -> Fetched<'c> {
    let deadline = Instant::now() + TIMEOUT;
    while Instant::now() < deadline {
        if let Polled::Record(record) = poller.poll(Duration::from_millis(100)) {
            return record;
        }
    }
    panic!("no record within {TIMEOUT:?}");
}

#[test]
fn header_name_that_is_not_utf8_hides_no_later_header() {
    let host = client::mock_host().unwrap();
    let cluster = host.client().mock_cluster().unwrap();
    cluster.create_topic(TOPIC.name(), 1, 1).unwrap();
    let config = KafkaConfig::embedded(&cluster.bootstrap_servers());
    assert_eq!(produce(host.client().native_ptr(), [b"caf\xe9", b"traceparent"]), NO_ERROR);
    host.flush(TIMEOUT).unwrap();
    let consumer = client::follower(&config, "bench", LogContext::default()).unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC.name(), 0, rdkafka::Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let poller = Poller::of(&consumer).unwrap();
    let fetched = first_record(&poller);
    let record = InRecord::of(TOPIC, &fetched);
    let headers: Vec<(String, &[u8])> =
        record.headers.iter().map(|(name, value)| (name.into_owned(), value)).collect();
    assert_eq!(headers, [("caf\u{fffd}".to_owned(), &b"v"[..]), ("traceparent".to_owned(), b"v")]);
    assert_eq!(record.headers.get("traceparent"), Some(&b"v"[..]));
    let cause = Cause { class: "tombstone", error: "no payload", attempts: 1, service: "bench" };
    let dead_letter = dead_letter::of(&record, Topic::ScannerBridgeDeadLetter, 1, cause);
    let kept: Vec<&str> = dead_letter.headers.iter().take(2).map(|(name, _)| name.as_ref()).collect();
    assert_eq!(kept, ["caf\u{fffd}", "traceparent"]);
}
