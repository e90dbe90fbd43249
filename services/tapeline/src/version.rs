//! The version of the command and of the services in it.

use chassis::admin::Version;

pub(crate) const VERSION: Version =
    Version { name: "tapeline", version: env!("CARGO_PKG_VERSION"), features: backfill::features::FEATURES };
