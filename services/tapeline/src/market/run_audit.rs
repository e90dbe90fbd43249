//! What a run comes to: its topics read again, counted, dumped and reported.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::{Topic, WriterSchemas};
use kafka_io::{ClusterQuery, KafkaConfig};
use scanner_bridge::mapping_file;

use crate::audit;
use crate::cli::MarketArgs;
use crate::collect::Collected;
use crate::dump;
use crate::exit::Failure;
use crate::report::{Report, StageReport};

/// Where each partition ended before the run: what lies before isn't the run's.
type Starts = BTreeMap<(Topic, i32), i64>;

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// How long it took.
    pub duration: Duration,
    /// Whether it did all that it set out to do, rather than being given up.
    pub came_to_its_end: bool,
}

/// Judges a run.
pub struct Judge {
    kafka: KafkaConfig,
    writers: Arc<dyn WriterSchemas + Send + Sync>,
    starts: Starts,
}

impl Judge {
    /// To be made before the run begins. Blocks.
    ///
    /// # Errors
    /// When the cluster doesn't answer.
    pub fn new(kafka: &KafkaConfig, writers: Arc<dyn WriterSchemas + Send + Sync>) -> Result<Self, Failure> {
        let inquirer = ClusterQuery::new(kafka).map_err(Failure::of)?;
        let mut starts = Starts::new();
        for topic in Topic::ALL {
            for ends in inquirer.watermarks(*topic).map_err(Failure::of)? {
                starts.insert((*topic, ends.partition), ends.high);
            }
        }
        Ok(Self { kafka: kafka.clone(), writers, starts })
    }

    /// Reads everything again, writes what was asked for, and gives the report. Blocks.
    ///
    /// # Errors
    /// When a topic can't be read whole, or a file can't be written.
    pub fn finish(
        &self,
        args: &MarketArgs,
        stages: BTreeMap<&'static str, StageReport>,
        ending: Ending,
    ) -> Result<Report, Failure> {
        let mapping = mapping_file::parse(mapping_file::DEFAULT)
            .map_err(|e| Failure::Usage(format!("the built-in mapping: {e}")))?;
        let mut collected = Collected::read(&self.kafka, &self.starts, self.writers.as_ref(), mapping)?;
        if let Some(folder) = &args.topics {
            dump::topics(folder, &collected, self.writers.as_ref())?;
        }
        let count = audit::count(&mut collected.seen, audit::Windows::default());
        for example in &count.examples {
            eprintln!("  {example}");
        }
        let report = Report::new(
            ending.duration.as_secs_f64(),
            stages,
            collected.topics(),
            &count,
            ending.came_to_its_end,
        );
        if let Some(path) = &args.report {
            report.write(path).map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
        }
        Ok(report)
    }
}
