//! HTTP edge: accepts findings and returns an outcome for each.
//!
//! ```text
//! request ─► server ─► admission ─► body ─► ingest ─► brokers
//!           sockets     bounds      list   validate     │ acknowledge
//! response ◄─────────────── outcome per finding ◄───────┘
//! ```
//!
//! One request is validated in one pass, produced as one batch, and gets one response. Its findings are read, passed to the client
//! library, and written into the response on threads other than those of the async runtime.

mod admission;
mod batch;
mod body;
mod edge_metrics;
mod finding_counts;
mod ingest;
mod json;
mod memory;
mod offload;
mod outcome;
mod rejection;
mod request;
mod results;
mod server;

pub use admission::{AdmissionLimits, Full};
pub use body::BodyError;
pub use edge_metrics::EdgeMetrics;
pub use finding_counts::EdgeCounts;
pub use ingest::{Acknowledgements, Edge, EdgeLimits, Produce};
pub use memory::memory_parts;
pub use outcome::{Outcome, response_body, response_status};
pub use server::{BindError, EdgeServer, FINDING_BYTES, ServeLimits, serve};

#[cfg(test)]
mod tests;
