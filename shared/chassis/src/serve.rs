//! HTTP/1 server with limits, for the edge and the admin server.
//!
//! ```text
//! accept ─► connection ─► router ─► response
//!   │ limit    │ timeouts
//!   └► 503     └► closed: no complete head in time, idle, response not read
//! ```
//!
//! | limit | when it is reached |
//! |---|---|
//! | connections | the connection that waits longest for a complete request is closed; if all have one, the new connection gets 503 |
//! | time for a request head | 408 if a part has arrived, otherwise the connection is closed |
//! | idle time between requests | the connection is closed |
//! | the same, at most 30 s, for the whole of a response | the connection is closed |
//! | size of a request head | 431 |
//!
//! When the shutdown begins, the listener and all connections without a complete request head are closed at once. Requests in progress
//! are completed; a handler that reads a body has to observe the shutdown, because a body may never arrive. A response must then be read
//! within 5 s, and is abandoned after 1 s without progress.
//!
//! Every error has a JSON body `{"error": "…"}`, including those that the HTTP library reports before a handler runs.

mod accept;
mod activity;
mod connection;
mod error_page;
mod limits;
mod metrics;
mod request;
mod request_body;
mod socket;

#[cfg(test)]
mod tests;

pub use accept::serve;
pub use error_page::error_page;
pub use limits::{BUFFER_BYTES_MAX, ConnectionLimits, DISPLACED_MAX, SPARE_DESCRIPTORS};
pub use metrics::{STATUSES, ServerMetricSet, ServerMetrics};
pub use request::Peer;
