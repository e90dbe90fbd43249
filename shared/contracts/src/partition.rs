//! Partition of a key, as Kafka's Java producer computes it.
//!
//! `(murmur2(key) & 0x7fffffff) mod count`, murmur2 being the variant of `org.apache.kafka.common.utils.Utils.murmur2`: seed
//! 0x9747b28c, multiplier 0x5bd1e995, shift 24. Checked against vectors from that class (`tests/partition`).

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;

/// Returns the partition of `key` in a topic with `count` partitions.
///
/// # Panics
/// If `count` is not positive: a topic has at least one partition.
#[must_use]
pub fn partition_for(key: &[u8], count: i32) -> i32 {
    assert!(count > 0, "a topic has at least one partition, not {count}");
    let positive = murmur2(key) & 0x7fff_ffff;
    i32::try_from(positive).expect("31 bits fit") % count
}

fn murmur2(key: &[u8]) -> u32 {
    // The length is hashed as 32 bits; no key is near 4 GiB.
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let (words, rest) = key.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word = (word ^ (word >> 24)).wrapping_mul(MULTIPLIER);
        hash = hash.wrapping_mul(MULTIPLIER) ^ word;
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MULTIPLIER);
    hash ^ (hash >> 15)
}
