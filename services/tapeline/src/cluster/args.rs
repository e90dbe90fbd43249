//! Arguments that name a cluster.

use std::path::PathBuf;

use clap::Args;

/// The addresses of a cluster. Every command accepts all of them and uses those that it needs.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// Bootstrap servers of Kafka, comma-separated host:port [default: from the configuration, else 127.0.0.1:9092]
    #[arg(long)]
    pub brokers: Option<String>,
    /// File with the sections [kafka] and [registry] of a service, for example TLS and credentials. Environment variables
    /// TAPELINE__KAFKA__… and TAPELINE__REGISTRY__… override it
    #[arg(long, value_name = "FILE")]
    pub kafka_config: Option<PathBuf>,
    /// Base URL of a Confluent-compatible schema registry [default: from the configuration, else http://127.0.0.1:8081]
    #[arg(long)]
    pub registry: Option<String>,
}
