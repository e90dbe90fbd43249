//! The contract's own schemas, as a registry that never fails.

use std::collections::HashMap;
use std::sync::Arc;

use apache_avro::Schema;
use contracts::{Topic, WriterError, WriterSchemas};

/// Every schema of the contract under a fixed id.
#[derive(Debug, Clone, Default)]
pub struct OwnSchemas;

impl OwnSchemas {
    /// Returns the id of each topic's schema.
    #[must_use]
    pub fn ids() -> HashMap<Topic, u32> {
        Topic::ALL.iter().copied().filter(|topic| !topic.is_dead_letter()).zip(1..).collect()
    }
}

impl WriterSchemas for OwnSchemas {
    fn writer(&self, id: u32) -> Result<Arc<Schema>, WriterError> {
        let topic = Self::ids().into_iter().find(|(_, known)| *known == id).map(|(topic, _)| topic);
        let contract = topic.and_then(contracts::catalogue::contract).ok_or(WriterError::Unknown { id })?;
        let schema = Schema::parse_str(contract.schema)
            .map_err(|error| WriterError::Unreadable { id, cause: error.to_string() })?;
        Ok(Arc::new(schema))
    }
}
