//! What the bridge decides, without knowing where alerts come from or how requests are written.
//!
//! An alert goes through them in this order: [`dedup`] asks whether it says anything new, after [`mapping`] (or [`manual`]) has
//! told which feature sets it asks for and [`priority`] how urgently; [`batcher`] gathers it with others of its kind; [`limiter`]
//! says when a batch may leave; its [`marks`] tell the next owner of its partition which windows there are.
//!
//! Everything is synchronous and takes the time as an argument: event time as `Timestamp`, waits and rates as the monotonic time
//! since an arbitrary start.

pub mod batch;
pub mod batcher;
pub mod dedup;
pub mod limiter;
pub mod manual;
pub mod mapping;
pub mod marks;
pub mod priority;
