//! Prints the history of a symbol.

use domain::Symbol;

use super::args::CoverageArgs;
use super::report::CoverageReport;
use super::{svg, text};
use crate::cluster;
use crate::exit::Failure;
use crate::history::SymbolHistory;
use crate::output::{check_writable, columns, print, print_json};

/// Prints the history of a symbol.
///
/// # Errors
/// [`Failure::NotOk`] if the topics have nothing of the symbol; invalid arguments; a cluster or registry that is unreachable or denies
/// access.
pub(super) async fn run(symbol: Symbol, args: CoverageArgs) -> Result<(), Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Failure::usage(format!("invalid --to {to}: it is before --from {from}")));
    }
    if let Some(path) = &args.out {
        check_writable(path).map_err(|error| Failure::file("write", path, error))?;
    }
    let kafka = cluster::kafka(&args.cluster)?;
    let registry = cluster::registry(&args.cluster)?;
    let dates = (args.from, args.to);
    let reading = tokio::task::spawn_blocking(move || {
        let count = cluster::partition_count(&kafka, &SymbolHistory::topics())?;
        let partition = contracts::partition_for(symbol.as_str().as_bytes(), count);
        let history = SymbolHistory::read(&kafka, &registry, symbol, partition)?;
        Ok::<_, Failure>(CoverageReport::new(symbol, partition, history, dates))
    });
    let report = reading.await.map_err(Failure::not_ok)??;
    if let Some(path) = &args.out {
        std::fs::write(path, svg::drawing(&report)).map_err(|error| Failure::file("write", path, error))?;
    }
    if args.json { print_json(&report) } else { print(&text::text(&report, columns())) }?;
    if let Some(path) = args.out.as_ref().filter(|_| !args.json) {
        print(&format!("drawing written to {}\n", path.display()))?;
    }
    match report.is_empty() {
        true => Err(Failure::not_ok(format!("nothing of {symbol} is held, covered or requested"))),
        false => Ok(()),
    }
}
