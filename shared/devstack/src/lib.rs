//! devstack

pub mod broker;
pub mod registry;
pub mod replay;
pub mod scanner;
