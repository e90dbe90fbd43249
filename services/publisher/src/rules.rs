//! Rules of the publisher, independent of Kafka and HTTP: [`announce`].

pub mod announce;
