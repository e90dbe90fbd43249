//! Memory of the edge, as a part of the sum that is compared with the limit of the container at start.

use chassis::serve::{BUFFER_BYTES_MAX, DISPLACED_MAX};
use hosting::Part;
use kit::SaturatingFrom;

use crate::config::EdgeSection;

/// A body is in memory once, and its findings are validated and encoded from it one after another.
const BODY_COPIES: u64 = 2;

/// A record is in memory twice: as the edge encoded it, and in the queue of the client library.
const RECORD_COPIES: u64 = 2;

/// A connection has a buffer to read from and one to write to.
const CONNECTION_BUFFERS: u64 = 2;

/// Returns the parts of the edge, each with the setting that bounds it. Connections that are being closed in favour of others have their
/// buffers until they end.
#[must_use]
pub fn memory_parts(edge: &EdgeSection) -> Vec<Part> {
    let part = |setting: &str, count: usize, each: u64| Part {
        name: format!("edge.{setting}"),
        bytes: u64::saturating_from(count).saturating_mul(each),
    };
    let buffers = CONNECTION_BUFFERS * u64::saturating_from(BUFFER_BYTES_MAX);
    vec![
        part("bodies_max_bytes", edge.bodies_max_bytes, BODY_COPIES),
        part("in_flight_max_bytes", edge.in_flight_max_bytes, RECORD_COPIES),
        part("connections_max", edge.connections_max.saturating_add(DISPLACED_MAX), buffers),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_the_bounds_of_the_edge() {
        let edge = EdgeSection {
            bodies_max_bytes: 3 << 20,
            in_flight_max_bytes: 5 << 20,
            connections_max: 17,
            ..EdgeSection::default()
        };
        let parts: Vec<String> = memory_parts(&edge).iter().map(ToString::to_string).collect();
        let expected =
            ["edge.bodies_max_bytes 6 MiB", "edge.in_flight_max_bytes 10 MiB", "edge.connections_max 2 MiB"];
        assert_eq!(parts, expected);
    }
}
