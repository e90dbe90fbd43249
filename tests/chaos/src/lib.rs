//! The storm: Tapeline's services on three real brokers, numbered input at a steady pace, and faults by a seeded plan; at the end it is
//! counted from the topics what was lost, doubled and reordered.
//!
//! A run is [`storm::run`]. What happens is decided by [`plan`] alone and done by [`faults`]; [`numbers`] says what the input is and
//! [`oracle`] what must have come of it. It deliberately knows the services only as an operator does: by configuration, signals, exit
//! codes, metrics and topics.

pub mod audit;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod ending;
pub mod faults;
pub mod fleet;
pub mod flow;
pub mod instance;
pub mod numbers;
pub mod oracle;
pub mod plan;
pub mod produce;
pub mod proxy;
pub mod storm;
pub mod timeline;
pub mod watch;
