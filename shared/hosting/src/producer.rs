//! Producers of a service outside of its stages.

use chassis::{Context, Exit, Failure};
use kafka_io::{BatchProducer, BrokerMonitor, KafkaConfig, ProducerLimits};

/// The part of a component that is degraded while no broker is reachable.
pub(crate) const KAFKA: &str = "kafka";

/// Creates a producer of the service. While it reaches no broker, the component `name` of `/ready` is degraded, with the cause.
///
/// # Errors
/// librdkafka rejects an option.
pub fn producer(
    context: &Context,
    kafka: &KafkaConfig,
    name: &'static str,
    limits: ProducerLimits,
) -> Result<BatchProducer, Failure> {
    let latch = context.health.component(name);
    latch.ready();
    let degraded = Box::new(move |cause: Option<&str>| latch.degraded_by(KAFKA, cause));
    let monitor = BrokerMonitor::new(context.service, name, degraded);
    BatchProducer::monitored(kafka, limits, monitor).map_err(|error| Failure::with(Exit::Unreachable, error))
}
