//! From a request's arrival to its answer's release: waiting for bars, priority, order, duplicates. Pure, no I/O.

mod queue;
mod recent;
mod release;

pub use queue::{Lane, Queue, Table};
pub use recent::{Asked, Key, Recent};
pub use release::Release;
