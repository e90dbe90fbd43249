//! backfill
pub mod sources;
