//! Limits of the connections of a server.

use std::time::Duration;

/// Connections that are rejected at the same time with a response. Further ones are closed without one.
pub(super) const REJECTING_MAX: usize = 16;

/// Connections that are being closed in favour of others, in addition to the maximum.
pub const DISPLACED_MAX: usize = 15;

/// Descriptors of a server in addition to one per connection: its listener, and the connections that are rejected or displaced.
pub const SPARE_DESCRIPTORS: u64 = (1 + REJECTING_MAX + DISPLACED_MAX) as u64;

/// Maximum size of each of a connection's two buffers.
pub const BUFFER_BYTES_MAX: usize = 32 << 10;

/// Maximum size of a request head. Common servers allow 8 to 32 KiB.
pub(super) const HEAD_BYTES_MAX: usize = BUFFER_BYTES_MAX;

/// Limits of the connections of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Maximum number of open connections, apart from those that are being closed.
    pub connections_max: usize,
    /// The time within which a request head must arrive, from its first byte or from the start of the connection.
    pub head_timeout: Duration,
    /// The time that a connection may be idle between two requests, and, at most 30 s, within which a response must be read.
    pub idle_timeout: Duration,
}
