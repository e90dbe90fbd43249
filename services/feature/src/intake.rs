//! Requests before their computation and results after it: dedup window, queue and reorder buffer. No I/O.

mod dedup_window;
mod lane_load;
mod reorder_buffer;
mod request_queue;

pub use dedup_window::{DedupKey, DedupWindow, Occurrence};
pub use lane_load::{LaneLimits, request_bytes};
pub use reorder_buffer::ReorderBuffer;
pub use request_queue::{Lane, RequestQueue, TablePartition};
