//! What the backfill service decides, without knowing how facts arrive, where bars come from or how they are written.
//!
//! The planner: [`planner`] turns a fact into at most one request for a range. The executor: [`answered`] knows what ended already;
//! [`coalesce`] gathers requests into fetches and says which runs next; [`timeframes`] names the bars of a layer; [`coverage`] says
//! what is missing of them; [`chunks`] cuts that into pieces.
//!
//! Everything is synchronous and takes the time as an argument. Ranges are half-open here; on the wire their end belongs to them.

pub mod answered;
pub mod chunks;
pub mod coalesce;
pub mod coverage;
pub mod planner;
pub mod series;
pub mod timeframes;
