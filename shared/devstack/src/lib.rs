//! devstack

pub mod replay;
pub mod scanner;
