//! Arguments of `tapeline dev`.

use std::net::SocketAddr;

use clap::Args;

use crate::cluster::{parse_admin_listen_address, parse_edge_listen_address};
use crate::market::MarketArgs;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tapeline dev --seed 7 --speed 20
  tapeline dev --bars tests/data/bars --from 2008-01-02 --to 2008-12-31 --speed max --until-end --report report.json
  tapeline dev --findings findings.ndjson --edge 127.0.0.1:8080 --admin 127.0.0.1:9100 --vectors vectors.ndjson")]
pub struct DevArgs {
    #[command(flatten)]
    pub market: MarketArgs,
    /// Exit when all records of the run are processed; exit code 0 only if the report is ok.
    #[arg(long)]
    pub until_end: bool,
    /// Address of the publisher's HTTP edge; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = parse_edge_listen_address)]
    pub edge: SocketAddr,
    /// Address of the admin endpoints of all four services; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = parse_admin_listen_address)]
    pub admin: SocketAddr,
}
