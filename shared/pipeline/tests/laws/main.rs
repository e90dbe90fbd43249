//! The engine's laws: properties over scripts of events, and examples of what the engine requests, and when.
//!
//! The properties read a history of events and requests; none of them inspects the engine. Effects of several engines in one group
//! are the subject of the simulation.

mod completed_ranges;
mod examples;
mod fair_resume;
mod harness;
mod history;
mod originated;
mod properties;
mod reader;
mod retry_and_release;
mod script;
