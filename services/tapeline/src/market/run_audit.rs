//! Audit of a run: reads its topics, counts, writes the files and the report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::{Topic, WriterSchemas};
use kafka_io::{ClusterQuery, KafkaConfig};
use scanner_bridge::mapping_file;

use super::args::MarketArgs;
use super::run_report::{RunReport, StageReport};
use super::topic_contents::TopicContents;
use super::topic_dump;
use crate::audit;
use crate::exit::{Cause, Failure};
use crate::output::escaped;

/// Characters of an example, which names ids that others wrote.
const EXAMPLE_CHARACTERS_MAX: usize = 500;

/// The end of each partition before the run. Earlier records are not the run's.
type Starts = BTreeMap<(Topic, i32), i64>;

/// Duration and completion of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunEnd {
    pub duration: Duration,
    /// `true` if the run completed its plan without a failure.
    pub is_complete: bool,
}

/// The audit of one run.
pub struct RunAudit {
    kafka: KafkaConfig,
    writers: Arc<dyn WriterSchemas + Send + Sync>,
    starts: Starts,
}

impl RunAudit {
    /// Notes the ends of all partitions. Call it before the run starts. Blocks.
    ///
    /// # Errors
    /// If the cluster is unreachable or denies access.
    pub fn start(
        kafka: &KafkaConfig,
        writers: Arc<dyn WriterSchemas + Send + Sync>,
    ) -> Result<Self, Failure> {
        let cluster = ClusterQuery::new(kafka).map_err(Failure::query)?;
        let mut starts = Starts::new();
        for topic in Topic::ALL {
            for watermarks in cluster.watermarks(*topic).map_err(Failure::query)? {
                starts.insert((*topic, watermarks.partition), watermarks.high);
            }
        }
        Ok(Self { kafka: kafka.clone(), writers, starts })
    }

    /// Reads all topics, writes the requested files and returns the report. Blocks.
    ///
    /// A file that cannot be written is an error next to the report, so that the report of a long run is not lost.
    ///
    /// # Errors
    /// If a topic cannot be read completely.
    pub fn finish(
        &self,
        args: &MarketArgs,
        stages: BTreeMap<&'static str, StageReport>,
        end: RunEnd,
    ) -> Result<(RunReport, Result<(), Failure>), Failure> {
        let mapping = mapping_file::parse(mapping_file::DEFAULT)
            .map_err(|error| Failure::Usage(Cause::new("invalid built-in mapping", error)))?;
        let mut contents = TopicContents::read(&self.kafka, &self.starts, self.writers.as_ref(), mapping)?;
        let mut written = match &args.topics {
            Some(folder) => topic_dump::dump(folder, &contents, self.writers.as_ref()),
            None => Ok(()),
        };
        let audited = audit::count(&mut contents.audited, audit::DedupWindows::default());
        for example in &audited.examples {
            chassis::output::note(&format!("  {}", escaped(example, EXAMPLE_CHARACTERS_MAX)));
        }
        let report =
            RunReport::new(end.duration.as_secs_f64(), stages, contents.topics(), &audited, end.is_complete);
        if let Some(path) = &args.report {
            written = written.and(report.write(path).map_err(|error| Failure::file("write", path, error)));
        }
        Ok((report, written))
    }
}
