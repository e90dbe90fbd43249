//! The clients that read tables. They outlive the session of an abandoned producer, so that no table is read again because of it.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::clients::{close, follower};
use super::error::DriverError;
use super::stage::KafkaStage;
use crate::call_error::CallError;
use crate::client::{self, LogContext};
use crate::config::KafkaConfig;
use crate::fetch_monitor::FetchMonitor;
use crate::raw::Wake;

pub(super) struct Followers {
    pub(super) tables: Option<BaseConsumer<LogContext>>,
    pub(super) globals: Option<BaseConsumer<LogContext>>,
    /// Queries the ends of partitions, records of open transactions included.
    pub(super) ends: BaseConsumer<LogContext>,
}

impl Followers {
    pub(super) fn new<S: KafkaStage>(
        config: &KafkaConfig,
        group: &str,
        stage: &S,
        observers: (&Wake, &FetchMonitor),
    ) -> Result<Self, DriverError> {
        Ok(Self {
            tables: follower(config, group, "tables", !stage.tables().is_empty(), observers)?,
            globals: follower(config, group, "globals", !stage.globals().is_empty(), observers)?,
            ends: client::topic_query_client(config)?,
        })
    }

    /// Serves the log events of the client that is used for queries only.
    pub(super) fn serve(&self) {
        let _no_record = self.ends.poll(Duration::ZERO);
    }

    /// Returns the first permanent error of a client, such as denied access. `None` if no client has logged one.
    pub(super) fn permanent_error(&self) -> Option<CallError> {
        let mut all = [&self.ends].into_iter().chain(&self.tables).chain(&self.globals);
        all.find_map(|client| client.context().permanent_error())
    }

    pub(super) fn close(self) {
        for consumer in [self.tables, self.globals].into_iter().flatten() {
            close(consumer);
        }
    }
}
