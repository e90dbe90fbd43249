//! The partition function against Kafka's Java client. `tests/partition/make` writes the vectors.

mod common;

use common::from_hex;
use contracts::partition_for;

#[test]
fn partitions_equal_those_of_the_java_producer() {
    let mut lines = include_str!("partition/vectors.csv").lines().filter(|line| !line.starts_with('#'));
    let header = lines.next().unwrap();
    let counts: Vec<i32> =
        header.split(',').skip(1).map(|name| name.strip_prefix("of_").unwrap().parse().unwrap()).collect();
    let mut keys = 0;
    for line in lines {
        let mut cells = line.split(',');
        let key = from_hex(cells.next().unwrap());
        for (count, cell) in counts.iter().zip(cells) {
            assert_eq!(partition_for(&key, *count), cell.parse::<i32>().unwrap(), "{line}");
        }
        keys += 1;
    }
    assert!(keys >= 200, "only {keys} keys");
}
