//! Changes of each topic by [`topics_apply`](super::topics_apply): pure rules.

use contracts::Topic;

/// A difference between a topic and the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDifference {
    /// The topic.
    pub topic: Topic,
    /// `existence`, `partitions`, `replication`, or the name of a topic setting.
    pub key: String,
    /// The value on the cluster.
    pub found: String,
    /// The value in the contract.
    pub expected: String,
}

/// Changes that bring the topics of a cluster to the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicsPlan {
    /// Topics to create.
    pub missing: Vec<Topic>,
    /// Topics that match the contract.
    pub unchanged: Vec<Topic>,
    /// Settings of existing topics to change.
    pub changes: Vec<TopicDifference>,
    /// Differences that stay: a change in place would be impossible, or lose records.
    pub differences: Vec<TopicDifference>,
}

/// Changes in place that a caller permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permitted {
    /// Those that no record is lost by.
    Lossless,
    /// Also a shorter retention, by which Kafka deletes records.
    Deletion,
}

/// Effect of a change on records that the topic holds or would accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Lossless,
    Deletes,
    /// No change in place, by anyone.
    Never,
}

impl TopicsPlan {
    /// Adds an existing topic. `replicas` is its lowest number of replicas.
    pub(super) fn add(
        &mut self,
        topic: Topic,
        replicas: i32,
        found: Vec<TopicDifference>,
        permitted: Permitted,
    ) {
        if found.is_empty() {
            self.unchanged.push(topic);
        }
        for difference in found {
            match effect(&difference, replicas) {
                Effect::Lossless => self.changes.push(difference),
                Effect::Deletes if permitted == Permitted::Deletion => self.changes.push(difference),
                Effect::Deletes | Effect::Never => self.differences.push(difference),
            }
        }
    }
}

/// Partitions and the cleanup policy never change in place: data of a symbol would be in two partitions, and values of a key would be lost.
fn effect(difference: &TopicDifference, replicas: i32) -> Effect {
    let numbers = difference.found.parse::<i64>().ok().zip(difference.expected.parse::<i64>().ok());
    match (difference.key.as_str(), numbers) {
        // -1 is unlimited.
        ("retention.ms", Some((found, expected))) => {
            match expected == -1 || (found != -1 && found < expected) {
                true => Effect::Lossless,
                false => Effect::Deletes,
            }
        }
        // Records that fit the larger size would be rejected by a smaller one.
        ("max.message.bytes", Some((found, expected))) if found < expected => Effect::Lossless,
        // With as many in-sync replicas as replicas, the loss of one broker stops all writes; with fewer than before, an acknowledged record may
        // be lost with it.
        ("min.insync.replicas", Some((found, expected)))
            if found < expected && expected < i64::from(replicas) =>
        {
            Effect::Lossless
        }
        ("message.timestamp.type" | "compression.type" | "unclean.leader.election.enable", _) => {
            Effect::Lossless
        }
        _ => Effect::Never,
    }
}

impl std::fmt::Display for TopicDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} is {}, expected {}", self.topic, self.key, self.found, self.expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: Topic = Topic::AlertRaised;

    fn difference(key: &str, found: &str, expected: &str) -> TopicDifference {
        TopicDifference {
            topic: TOPIC,
            key: key.to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }

    /// Returns `true` if a difference of a topic with this many replicas is changed.
    fn is_changed(difference: TopicDifference, replicas: i32, permitted: Permitted) -> bool {
        let mut plan = TopicsPlan::default();
        plan.add(TOPIC, replicas, vec![difference], permitted);
        assert_eq!(plan.changes.len() + plan.differences.len(), 1);
        assert!(plan.unchanged.is_empty());
        plan.differences.is_empty()
    }

    #[test]
    fn retention_is_only_shortened_where_deletion_is_permitted() {
        for (found, expected, lossless) in
            [("1", "2", true), ("2", "-1", true), ("2", "1", false), ("-1", "1", false), ("", "1", false)]
        {
            let shorter = || difference("retention.ms", found, expected);
            assert_eq!(is_changed(shorter(), 3, Permitted::Lossless), lossless, "{found} {expected}");
            assert_eq!(
                is_changed(shorter(), 3, Permitted::Deletion),
                !found.is_empty(),
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn change_that_may_stop_or_lose_writes_is_not_made() {
        for (key, found, expected, replicas, is_made) in [
            ("min.insync.replicas", "1", "2", 3, true),
            ("min.insync.replicas", "1", "2", 2, false),
            ("min.insync.replicas", "1", "2", 1, false),
            ("min.insync.replicas", "2", "1", 3, false),
            ("min.insync.replicas", "2", "1", 1, false),
            ("max.message.bytes", "1000", "2000", 3, true),
            ("max.message.bytes", "2000", "1000", 3, false),
        ] {
            let made = is_changed(difference(key, found, expected), replicas, Permitted::Deletion);
            assert_eq!(made, is_made, "{key} {found} {expected} {replicas}");
        }
    }

    #[test]
    fn layout_and_cleanup_policy_never_change_in_place() {
        for (key, found, expected) in [("partitions", "6", "12"), ("cleanup.policy", "delete", "compact")] {
            assert!(!is_changed(difference(key, found, expected), 3, Permitted::Deletion), "{key}");
        }
    }

    #[test]
    fn topic_without_differences_is_unchanged() {
        let mut plan = TopicsPlan::default();
        plan.add(TOPIC, 3, Vec::new(), Permitted::Lossless);
        assert_eq!(plan, TopicsPlan { unchanged: vec![TOPIC], ..TopicsPlan::default() });
    }
}
