//! HTTP edge: accepts findings and returns an outcome for each.
//!
//! ```text
//! request ─► server ─► body ─► ingest ─► brokers
//!            bounds    list    validate    │ acknowledge
//! response ◄──────── outcome per finding ◄─┘
//! ```
//!
//! One request is validated in one pass, produced as one batch, and gets one response.

mod body;
mod finding_counts;
mod ingest;
mod outcome;
mod server;

pub use body::{BodyError, Item, LineError, items};
pub use finding_counts::EdgeCounts;
pub use ingest::{Edge, EdgeLimits, Produce};
pub use outcome::{Outcome, response_body, response_status};
pub use server::{EdgeServer, ServeLimits, serve};

#[cfg(test)]
mod tests;
