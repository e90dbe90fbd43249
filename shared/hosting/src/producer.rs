//! Producers of a service outside of its stages.

use chassis::{Context, Exit, Failure};
use kafka_io::{BatchProducer, BrokerMonitor, KafkaConfig, ProducerBreaker, ProducerLimits};

/// The part of a component that is degraded while no broker is reachable.
pub(crate) const KAFKA: &str = "kafka";

/// The part of a component that is degraded while its circuit breaker is not closed.
const BREAKER: &str = "breaker";

/// Creates a producer of the service. While it reaches no broker, or its circuit breaker is not closed, the component `name` of `/ready` is
/// degraded, with the cause.
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
    let broken = latch.clone();
    let breaker = ProducerBreaker::new(
        context.service,
        Box::new(move |cause: Option<&str>| broken.degraded_by(BREAKER, cause)),
    );
    let tripped = breaker.clone();
    let unreachable = Box::new(move |cause: Option<&str>| {
        latch.degraded_by(KAFKA, cause);
        if let Some(cause) = cause {
            tripped.trip(cause);
        }
    });
    let monitor = BrokerMonitor::new(context.service, name, unreachable);
    BatchProducer::guarded(kafka, limits, monitor, breaker)
        .map_err(|error| Failure::with(Exit::Unreachable, error))
}
