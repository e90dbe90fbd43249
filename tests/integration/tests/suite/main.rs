//! The programs as processes, on real Kafka and a real registry. One test binary, so that tests run while others wait for their brokers.
//! Tests of a process limit have a binary of their own: a client of librdkafka in this process has descriptors that children inherit.
#![allow(clippy::print_stdout, reason = "a test prints its progress")]
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

#[path = "../alerts/mod.rs"]
mod alerts;
mod bad_bytes;
mod benchmarks;
mod confluent_client;
mod ledger;
mod real_parts;
mod registry_login;
mod registry_unavailable;
mod release_0_1_0;
mod schema_evolution;
mod security;
mod services;
mod topic_changes;
mod topic_wait;
mod unreachable;
