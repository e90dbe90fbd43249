//! Writes range requests to their topic.

use contracts::{RangeRequest, Topic};
use kafka_io::{BatchProducer, KafkaConfig, ProduceError, ProducerLimits, Wire, cluster as kafka_cluster};

use crate::cluster::{self, ClusterArgs};
use crate::exit::{Cause, Failure};

/// Writes range requests.
pub(super) struct RequestWriter {
    wire: Wire,
    producer: BatchProducer,
}

impl RequestWriter {
    /// Checks the topic, registers its schema and creates a producer.
    pub(super) async fn open(cluster: &ClusterArgs, kafka: &KafkaConfig) -> Result<Self, Failure> {
        let topics = [Topic::RangeRequested];
        tokio::task::block_in_place(|| kafka_cluster::check(kafka, &topics)).map_err(Failure::query)?;
        let registry = cluster::registry(cluster)?;
        let wire = cluster::wire(&registry, &topics, kafka.partitions).await?;
        let producer = BatchProducer::new(kafka, ProducerLimits::default()).map_err(Failure::unreachable)?;
        Ok(Self { wire, producer })
    }

    /// Writes requests and waits for their acknowledgements.
    pub(super) async fn write(&self, requests: &[RangeRequest]) -> Result<(), Failure> {
        let records = requests.iter().map(|request| self.wire.write(request, None));
        let records = records.collect::<Result<Vec<_>, _>>().map_err(Failure::not_ok)?;
        let results = self.producer.produce(records).await;
        let failed: Vec<_> = requests
            .iter()
            .zip(results)
            .filter_map(|(request, result)| Some((request, result.err()?)))
            .collect();
        let count = failed.len();
        let Some((request, error)) = failed.into_iter().next() else { return Ok(()) };
        let others = if count > 1 { format!(" and {} others", count - 1) } else { String::new() };
        let is_denied = matches!(error, ProduceError::Denied { .. });
        let cause = Cause::new(format!("failed to write the request for {}{others}", request.symbol), error);
        Err(if is_denied { Failure::AccessDenied(cause) } else { Failure::Unreachable(cause) })
    }
}
