//! `tapeline backfill cancel`: ends the open attempt of a backfill.

use chassis::{Clock, SystemClock};
use contracts::{RangeRequest, ids};

use super::args::CancelArgs;
use super::range_request::operator;
use super::request_writer::RequestWriter;
use super::status::{Listed, Target};
use crate::cluster;
use crate::exit::Failure;
use crate::output::print;

/// Writes the request to cancel.
///
/// # Errors
/// [`Failure::NotOk`] if the backfill is unknown or has ended; a cluster or registry that is unreachable or denies access.
pub(super) async fn run(args: CancelArgs) -> Result<(), Failure> {
    let kafka = cluster::kafka(&args.cluster)?;
    let registry = cluster::registry(&args.cluster)?;
    let (id, config) = (args.id, kafka.clone());
    let reading =
        tokio::task::spawn_blocking(move || Listed::read(&config, &registry, Target::Backfill(id), 1));
    let listed = reading.await.map_err(Failure::not_ok)??;
    let request = listed.open.first().and_then(|backfill| backfill.request.as_ref());
    let Some(request) = request else {
        return Err(Failure::not_ok(match listed.ended.first() {
            Some(ended) => format!("backfill {id} has ended: {}", ended.state().as_str()),
            None => format!("no request of backfill {id} in the topics"),
        }));
    };
    let cancel = RangeRequest {
        event_id: ids::event_id(),
        occurred_at: SystemClock::new().wall_micros(),
        source: operator(args.operator.as_deref()),
        correlation_id: None,
        cancel: true,
        ..request.clone()
    };
    let writer = RequestWriter::open(&args.cluster, &kafka).await?;
    writer.write(&[cancel]).await?;
    let symbol = &request.symbol;
    print(&format!("requested to cancel {symbol} {id}: see `tapeline backfill status {id}`\n"))
}
