//! The first offsets that are read of tables whose old records are not needed.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::BaseConsumer;

use crate::client::LogContext;
use crate::config::Profile;
use crate::driver::inputs::TopicPartition;
use crate::partition_begins::begins_of;
use crate::partition_ends::ends_of;

/// Returns the first offset of each partition whose record was appended at its time (milliseconds since 1970) or later, or its end. A
/// partition of which that is unknown is missing: it is read from its start.
pub(super) fn begins(
    client: &BaseConsumer<LogContext>,
    profile: Profile,
    since: &BTreeMap<TopicPartition, i64>,
    timeout: Duration,
) -> BTreeMap<TopicPartition, i64> {
    if since.is_empty() {
        return BTreeMap::new();
    }
    // The ends first: what is appended between the two queries is read.
    let begins = ends_of(client, &since.keys().copied().collect(), timeout)
        .and_then(|ends| Ok(within(&begins_of(client, profile, since, timeout)?, &ends)));
    let begins = begins.unwrap_or_else(|error| {
        tracing::warn!(%error, "failed to fetch offsets by time");
        BTreeMap::new()
    });
    let unknown: Vec<i32> = since.keys().filter(|at| !begins.contains_key(at)).map(|at| at.1).collect();
    if !unknown.is_empty() && profile != Profile::Embedded {
        tracing::warn!(partitions = ?unknown, "no offset by time is known: reading tables from their start");
    }
    begins
}

/// Returns the begins, none of them after the end of its partition.
fn within(
    found: &BTreeMap<TopicPartition, i64>,
    ends: &BTreeMap<TopicPartition, i64>,
) -> BTreeMap<TopicPartition, i64> {
    found.iter().filter_map(|(at, begin)| Some((*at, *ends.get(at)?.min(begin)))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use contracts::Topic;

    use super::within;
    use crate::partition_begins::ALL_OLDER;

    #[test]
    fn partition_of_old_records_begins_at_its_end() {
        let of = |offsets: [(i32, i64); 2]| -> BTreeMap<_, _> {
            offsets.map(|(number, offset)| ((Topic::BarClosed, number), offset)).into()
        };
        let found = of([(0, ALL_OLDER), (1, 5)]);
        assert_eq!(within(&found, &of([(0, 7), (1, 9)])), of([(0, 7), (1, 5)]));
        assert_eq!(within(&found, &of([(1, 9), (2, 9)])), BTreeMap::from([((Topic::BarClosed, 1), 5)]));
    }
}
