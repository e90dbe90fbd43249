//! The engine's laws: properties over scripts of events, and an example for each rule of what is asked and when.
//!
//! The properties read a history of what happened and was asked; none of them looks into the engine. What several engines do to each
//! other in one group is the simulation's part.

mod completed_ranges;
mod examples;
mod fair_resume;
mod history;
mod properties;
mod reader;
mod rig;
mod script;
mod settling;
