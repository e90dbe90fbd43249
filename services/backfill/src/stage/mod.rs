//! The two stages: facts become requests, requests become bars.

pub mod executor;
pub mod planner;

/// The class of a record whose event can't be written: none of a valid record is too large.
const UNWRITABLE: &str = "unwritable";

/// What the events of both stages name as their source, but for those that name the data's.
const SOURCE: &str = "backfill";
