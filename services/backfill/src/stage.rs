//! The two stages: the planner turns facts into requests, the executor turns requests into bars.

mod event_source;
pub mod executor;
pub mod planner;
