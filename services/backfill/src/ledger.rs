//! The ledger: a view of backfills in a SQL database, for people.
//!
//! # Data flow
//!
//! ```text
//! backfill.range.requested, .progressed, .completed, .failed ─┐
//! backfill.coverage.changed                                  ─┴─► Follower ─► Batch ─► Store ─► SQLite or PostgreSQL
//! ```
//!
//! - [`follower`] reads the partitions that the executor of this instance owns, from the positions in the database.
//! - [`batch`] folds the events of one partition into rows, without I/O.
//! - [`store`] writes the rows of a batch and its positions in one database transaction. The transaction fails if another instance has moved a
//!   position, so two owners of a partition do not overwrite each other.
//!
//! Nothing depends on the ledger. Without the database no work stops: the events stay in their topics, the lag grows, and the follower continues
//! when the database responds again. An empty database is filled from the retained records.

pub mod batch;
pub mod error;
pub mod follower;
pub mod meters;
mod migrations;
pub mod rows;
mod statements;
pub mod store;

pub use self::batch::Batch;
pub use self::error::LedgerError;
pub use self::store::Store;

use chassis::{Context, EndPolicy};
use kafka_io::Wire;
use tokio::runtime::Handle;

use self::follower::Follower;
use self::meters::LedgerMeters;
use crate::config::{BackfillConfig, LedgerKind};
use crate::owned_partitions::OwnedPartitions;

/// Starts the thread that writes the ledger, if one is configured.
pub(crate) fn start(context: &Context, config: &BackfillConfig, wire: Wire, owned: OwnedPartitions) {
    if config.ledger.kind == LedgerKind::None {
        return;
    }
    let latch = context.health.component("ledger");
    latch.ready();
    let follower = Follower {
        section: config.ledger.clone(),
        kafka: config.kafka.0.clone(),
        wire,
        owned,
        runtime: Handle::current(),
        shutdown: context.shutdown.clone(),
        meters: LedgerMeters::new(&context.metrics),
        latch,
    };
    context.tasks.thread("ledger", EndPolicy::UntilShutdown, move || follower.run());
}
