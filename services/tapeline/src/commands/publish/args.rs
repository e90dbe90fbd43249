//! Arguments of `tapeline publish`.

use std::path::PathBuf;

use clap::Args;

use crate::cluster::{ClusterArgs, EdgeAddress};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tapeline publish findings.ndjson --brokers 127.0.0.1:9092 --registry http://127.0.0.1:8081
  echo '{\"event\":\"scanner.alert.raised\",\"symbol\":\"AAPL\",\"alert_type\":\"volume_spike\",\"score\":0.9,\"message\":\"3x\",\"source_scanner\":\"custom\",\"metadata\":{}}' | tapeline publish - --edge 127.0.0.1:8080")]
pub struct PublishArgs {
    /// File of findings, one JSON object per line; `-` reads standard input.
    pub file: PathBuf,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Post to the publisher's HTTP edge at this address, host:port or URL, instead of producing to Kafka.
    #[arg(long, value_name = "ADDR")]
    pub edge: Option<EdgeAddress>,
}
