//! Rules of the bridge, independent of Kafka and of the format of alerts and requests.
//!
//! An alert passes through them in this order: [`mapping`] (or [`requested_sets`], for a manual alert) and [`priority`] determine
//! the request, [`dedup`] drops it if it adds nothing to its dedup window, [`batcher`] collects it with others of the same key in a
//! [`batch`], and [`limiter`] limits the rate of batches. [`windows_header`] stores the [`windows`] of the alerts in a header of the
//! request, from which the next owner of the partition restores them.
//!
//! All rules are synchronous and take the time as an argument: event time and wall clock as `Timestamp`, waits and rates as
//! monotonic time since an arbitrary start.

pub mod batch;
pub mod batcher;
pub mod dedup;
pub mod limiter;
pub mod mapping;
pub mod priority;
pub mod requested_sets;
pub mod windows;
pub mod windows_header;
