//! HTTP edge: accepts findings and returns an outcome for each.
//!
//! ```text
//! request ─► server ─► admission ─► body ─► ingest ─► brokers
//!           sockets     bounds      list   validate     │ acknowledge
//! response ◄─────────────── outcome per finding ◄───────┘
//! ```
//!
//! One request is validated in one pass, produced as one batch, and gets one response.

mod admission;
mod body;
mod edge_metrics;
mod finding_counts;
mod ingest;
mod memory;
mod outcome;
mod rejection;
mod request;
mod results;
mod server;

pub use admission::{AdmissionLimits, Full};
pub use body::{BodyError, Item, LineError, items};
pub use edge_metrics::EdgeMetrics;
pub use finding_counts::EdgeCounts;
pub use ingest::{Edge, EdgeLimits, Produce};
pub use memory::memory_parts;
pub use outcome::{Outcome, response_body, response_status};
pub use server::{BindError, EdgeServer, FINDING_BYTES, ServeLimits, serve};

#[cfg(test)]
mod tests;
