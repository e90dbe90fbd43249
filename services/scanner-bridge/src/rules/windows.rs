//! Dedup windows of alerts, as batches and requests carry them.

use domain::{Symbol, Timestamp};

/// The dedup window that contains an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The occurrence that opened it.
    pub first_seen: Timestamp,
    /// `true` if this alert opened it, `false` if it joined it.
    pub is_opened: bool,
}

/// An alert in the dedup window of its symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowedAlert {
    pub symbol: Symbol,
    /// The alert's offset in its partition.
    pub offset: i64,
    pub window: Window,
}
