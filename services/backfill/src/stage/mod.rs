//! The two stages: facts become requests, requests become bars.

pub mod executor;
pub mod planner;

/// What the events of both stages name as their source, but for those that name the data's.
const SOURCE: &str = "backfill";
