//! Limits of the connections of a server.

use std::time::Duration;

/// Descriptors of a server in addition to one per connection: its listener, connections that are rejected, and connections that are
/// accepted while another is being closed.
pub const SPARE_DESCRIPTORS: u64 = 32;

/// Maximum size of a request head, and of each of a connection's two buffers. Common servers allow 8 to 32 KiB for a head.
pub const BUFFER_BYTES_MAX: usize = 32 << 10;

/// Limits of the connections of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Maximum number of open connections.
    pub connections_max: usize,
    /// The time within which a request head must arrive, from its first byte or from the start of the connection.
    pub head_timeout: Duration,
    /// The time that a connection may be idle between two requests, and that a response may make no progress.
    pub idle_timeout: Duration,
}
