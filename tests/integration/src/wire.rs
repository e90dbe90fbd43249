//! A metadata request in plain bytes: proof that a broker answers, by code that shares nothing with ours.
//!
//! The layouts are from Kafka's protocol guide: request header version 1, `Metadata` (key 3) version 1.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
const METADATA: i16 = 3;
const VERSION: i16 = 1;
const CORRELATION: i32 = 7;
/// Longer answers than this are not metadata of a test cluster.
const LONGEST_ANSWER: usize = 1 << 20;

/// What a broker says about its cluster.
#[derive(Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Each broker as `host:port`.
    pub brokers: Vec<String>,
    /// Each topic with its count of partitions.
    pub topics: Vec<(String, usize)>,
    /// Every partition of every topic.
    pub partitions: Vec<Partition>,
}

/// Where a partition lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub number: i32,
    /// The id of the broker that leads it; -1 when none does.
    pub leader: i32,
    /// The brokers that hold it.
    pub replicas: Vec<i32>,
    /// Those of them that have all of it.
    pub in_sync: Vec<i32>,
}

/// Asks the broker at a loopback port for all topics.
///
/// # Errors
/// When it can't be reached in time, or answers something else.
pub fn metadata(port: u16) -> io::Result<Metadata> {
    let mut stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(&metadata_request())?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST_ANSWER {
        return Err(io::Error::other(format!("an answer of {length} bytes is not metadata")));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::other("the answer is not metadata"))
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

fn parse(answer: &[u8]) -> Option<Metadata> {
    let mut answer = Fields(answer);
    if answer.int32()? != CORRELATION {
        return None;
    }
    let brokers = answer.array(|broker| {
        let (_id, host, port) = (broker.int32()?, broker.text()?, broker.int32()?);
        let _rack = broker.nullable_text()?;
        Some(format!("{host}:{port}"))
    })?;
    let _controller = answer.int32()?;
    let mut partitions = Vec::new();
    let topics = answer.array(|topic| {
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
    answer.0.is_empty().then_some(Metadata { brokers, topics, partitions })
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
            Err(_) => Some(None), // -1 stands for null
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
    const ANSWER: &[u8] = &[
        0, 0, 0, 7, // correlation
        0, 0, 0, 1, 0, 0, 0, 1, 0, 1, b'h', 0, 0, 0x23, 0x84, 0xff, 0xff, // broker 1 at h:9092
        0, 0, 0, 1, // controller
        0, 0, 0, 1, 0, 0, 0, 1, b't', 0, // topic t, not internal
        0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // partition 0, leader 1
        0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, // replicas and those in sync
    ];

    #[test]
    fn a_metadata_answer_names_brokers_and_topics() {
        let metadata = parse(ANSWER).unwrap();
        assert_eq!(metadata.brokers, ["h:9092"]);
        assert_eq!(metadata.topics, [("t".to_owned(), 1)]);
        let (topic, replicas, in_sync) = ("t".to_owned(), vec![1], vec![1]);
        assert_eq!(metadata.partitions, [Partition { topic, number: 0, leader: 1, replicas, in_sync }]);
    }

    #[test]
    fn a_cut_or_longer_answer_is_not_metadata() {
        for length in 0..ANSWER.len() {
            assert!(parse(&ANSWER[..length]).is_none(), "cut at {length}");
        }
        assert!(parse(&[ANSWER, &[0]].concat()).is_none());
    }
}
