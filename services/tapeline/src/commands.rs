//! The subcommands, one module each: its arguments and what it does.

pub mod backfill;
pub mod coverage;
pub mod dead_letters;
pub mod dev;
pub mod lag;
pub mod publish;
pub mod replay;
pub mod schemas;
pub mod tail;
pub mod topics;
pub mod verify;
