//! A metadata request in plain bytes: shows that a broker responds, without the client library of the services.
//!
//! The layouts are from Kafka's protocol guide: request header version 1, `Metadata` (key 3) version 1.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
const METADATA: i16 = 3;
const VERSION: i16 = 1;
const CORRELATION: i32 = 7;
/// A longer response is no metadata of a test cluster.
const RESPONSE_MAX_BYTES: usize = 1 << 20;

/// The metadata of a cluster.
#[derive(Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Each broker as `host:port`.
    pub brokers: Vec<String>,
    /// Each topic with its number of partitions.
    pub topics: Vec<(String, usize)>,
    /// Every partition of every topic.
    pub partitions: Vec<Partition>,
}

/// The replicas of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub topic: String,
    pub number: i32,
    /// The id of the leader; -1 if there is none.
    pub leader: i32,
    /// The ids of the brokers with a replica.
    pub replicas: Vec<i32>,
    /// The ids of those in sync.
    pub in_sync: Vec<i32>,
}

/// Fetches the metadata of all topics from the broker at a loopback port.
///
/// # Errors
/// The broker does not respond in time, or the response is invalid.
pub fn fetch(port: u16) -> io::Result<Metadata> {
    let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(&metadata_request())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > RESPONSE_MAX_BYTES {
        return Err(io::Error::other(format!("a response of {length} bytes is no metadata")));
    }
    let mut response = vec![0; length];
    stream.read_exact(&mut response)?;
    parse(&response).ok_or_else(|| io::Error::other("the response is no metadata"))
}

fn metadata_request() -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(METADATA.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(CORRELATION.to_be_bytes());
    body.extend((-1_i16).to_be_bytes()); // no client id
    body.extend((-1_i32).to_be_bytes()); // all topics
    let mut request = u32::try_from(body.len()).unwrap_or(0).to_be_bytes().to_vec();
    request.extend(body);
    request
}

fn parse(response: &[u8]) -> Option<Metadata> {
    let mut response = Fields(response);
    if response.int32()? != CORRELATION {
        return None;
    }
    let brokers = response.array(|broker| {
        let (_id, host, port) = (broker.int32()?, broker.text()?, broker.int32()?);
        let _rack = broker.nullable_text()?;
        Some(format!("{host}:{port}"))
    })?;
    let _controller = response.int32()?;
    let mut partitions = Vec::new();
    let topics = response.array(|topic| {
        let (_error, name, _internal) = (topic.int16()?, topic.text()?, topic.take(1)?);
        let mut of_topic = topic.array(|partition| {
            let (_error, number, leader) = (partition.int16()?, partition.int32()?, partition.int32()?);
            let (replicas, in_sync) = (partition.array(Fields::int32)?, partition.array(Fields::int32)?);
            Some(Partition { topic: name.clone(), number, leader, replicas, in_sync })
        })?;
        let count = of_topic.len();
        partitions.append(&mut of_topic);
        Some((name, count))
    })?;
    response.0.is_empty().then_some(Metadata { brokers, topics, partitions })
}

/// The bytes not yet read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn int16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn int32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn nullable_text(&mut self) -> Option<Option<String>> {
        match usize::try_from(self.int16()?) {
            Ok(length) => String::from_utf8(self.take(length)?.to_vec()).ok().map(Some),
            Err(_) => Some(None), // -1 means null
        }
    }

    fn text(&mut self) -> Option<String> {
        self.nullable_text()?
    }

    fn array<T>(&mut self, mut element: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.int32()?).map(|_| element(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One broker, no rack, one topic `t` with one partition, written by hand from the protocol guide.
    const RESPONSE: &[u8] = &[
        0, 0, 0, 7, // correlation
        0, 0, 0, 1, 0, 0, 0, 1, 0, 1, b'h', 0, 0, 0x23, 0x84, 0xff, 0xff, // broker 1 at h:9092
        0, 0, 0, 1, // controller
        0, 0, 0, 1, 0, 0, 0, 1, b't', 0, // topic t, not internal
        0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // partition 0, leader 1
        0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, // replicas and those in sync
    ];

    #[test]
    fn metadata_response_has_brokers_and_topics() {
        let metadata = parse(RESPONSE).unwrap();
        assert_eq!(metadata.brokers, ["h:9092"]);
        assert_eq!(metadata.topics, [("t".to_owned(), 1)]);
        let (topic, replicas, in_sync) = ("t".to_owned(), vec![1], vec![1]);
        assert_eq!(metadata.partitions, [Partition { topic, number: 0, leader: 1, replicas, in_sync }]);
    }

    #[test]
    fn cut_or_longer_response_is_no_metadata() {
        for length in 0..RESPONSE.len() {
            assert!(parse(&RESPONSE[..length]).is_none(), "cut at {length}");
        }
        assert!(parse(&[RESPONSE, &[0]].concat()).is_none());
    }
}
