//! Rules that several backfill events share.

use crate::rules;
use crate::violation::{EventPath, Violation};
use crate::wire::DataKind;

/// Checks the fields that identify a backfill and its attempt.
pub(super) fn check_identity(
    at: EventPath,
    backfill_id: &str,
    attempt: i32,
    symbol: &str,
) -> Result<(), Violation> {
    at.field("backfill_id", rules::uuid(backfill_id))?;
    at.field("attempt", rules::at_least(attempt.into(), 1))?;
    at.field("symbol", rules::symbol(symbol))
}

/// Checks that data types are defined, unique, and not empty.
pub(super) fn check_data_types(at: EventPath, data_types: &[DataKind]) -> Result<(), Violation> {
    at.field("data_types", rules::count(data_types.len(), 1..=DataKind::ALL.len()))?;
    for (index, kind) in data_types.iter().enumerate() {
        at.item("data_types", index, "", rules::kind(*kind))?;
        let is_repeated = data_types[..index].contains(kind);
        at.item("data_types", index, "", rules::check(!is_repeated, || format!("{kind} is listed twice")))?;
    }
    Ok(())
}
