//! The functions of `ledger.rs` in a build without the feature `ledger`. A configuration with a ledger is rejected.

use chassis::Context;
use kafka_io::Wire;

use crate::config::BackfillConfig;
use crate::owned_partitions::OwnedPartitions;

pub(crate) fn start(_context: &Context, _config: &BackfillConfig, _wire: Wire, _owned: OwnedPartitions) {}
