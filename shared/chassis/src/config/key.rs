//! Suggestion of a known key for an unknown one.

use std::cmp::Reverse;

/// Returns the Levenshtein distance: the number of characters to insert, remove or change to turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, character) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(character != *other);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Counts the words of `key` that `other` contains too.
fn shared_words(key: &str, other: &str) -> usize {
    words(key).filter(|word| words(other).any(|known| known == *word)).count()
}

fn words(key: &str) -> impl Iterator<Item = &str> {
    key.split(['.', '_'])
}

/// Returns the key or section of `known` that shares the most words with `key`; among those, the one with the smallest distance; among
/// those, the first. `None` if there are no known keys.
pub(crate) fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let depth = key.split('.').count();
    let section = |known: &'a str| known.match_indices('.').nth(depth - 1).map(|(end, _)| &known[..end]);
    let candidates = known.flat_map(|known| section(known).into_iter().chain([known]));
    candidates.min_by_key(|other| (Reverse(shared_words(key, other)), distance(key, other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_key_has_most_common_words_then_least_distance() {
        assert_eq!(distance("kafka.brokerz", "kafka.brokers"), 1);
        assert_eq!(distance("", "abc"), 3);
        let known = ["kafka.brokers", "kafka.group", "window_ms"];
        assert_eq!(nearest("windows_ms", known.into_iter()), Some("window_ms"));
        let known = ["process.admin", "process.drain_budget_ms"];
        assert_eq!(nearest("process.drain_ms", known.into_iter()), Some("process.drain_budget_ms"));
        let known = ["edge.listen", "kafka.security.ca_file", "source.kind", "source.folder"];
        assert_eq!(nearest("sorce", known.into_iter()), Some("source"));
        assert_eq!(nearest("sorce.kind", known.into_iter()), Some("source.kind"));
        assert_eq!(nearest("kafka.securty", known.into_iter()), Some("kafka.security"));
    }
}
