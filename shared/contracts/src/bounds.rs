//! Limits of events. Those of size ensure that every output derived from valid events fits its topic.
//!
//! Stages merge and copy fields: a feature request carries the correlation ids of up to 1,000 alerts. A field without a limit at the
//! edge would be rejected by Kafka three stages later, where it can no longer be returned to its sender. See ADR 015.

use std::borrow::Cow;

/// Limit of the time by which an event may be ahead of the validating component's clock: 5 min.
pub const CLOCK_AHEAD_MICROS_MAX: i64 = 5 * 60 * 1_000_000;

/// Limit of a payload, header included. Below `max.message.bytes`, with room for key, headers and the record batch.
pub const PAYLOAD_BYTES_MAX: usize = 1_000_000;

/// Limit of an id or a name: `source`, `correlation_id`, `request_id`, `requester`, `source_scanner` and similar fields.
pub const ID_BYTES_MAX: usize = 256;

/// Limit of a text for people: `message`, `reason`, `headline`, `url`, `error`.
pub const TEXT_BYTES_MAX: usize = 4 * 1024;

/// Limit of the metrics of a proposal, qualification or promotion.
pub const METRICS_MAX: usize = 200;

/// Limit of the values of one feature set in a vector. 43 sets of this size with the longest names fit a payload.
pub const SET_VALUES_MAX: usize = 50;

/// Limit of the ratio of a split, new shares per old share. A larger one is an error of its source.
pub const RATIO_MAX: f64 = 10_000.0;

/// Limit of the alerts that are merged into a request. Each can add a correlation id and a scanner to it.
pub const MERGED_ALERTS_MAX: usize = 1_000;

/// Shortens a text to at most `bytes_max`, between characters. For texts that quote foreign input.
#[must_use]
pub fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// Leaves out the middle of a text above `bytes_max`, which is replaced by `…`. For errors that quote foreign input in their middle.
#[must_use]
pub fn excerpt(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let half = bytes_max.saturating_sub('…'.len_utf8()) / 2;
    Cow::Owned(format!("{}…{}", cut(text, half), &text[text.ceil_char_boundary(text.len() - half)..]))
}

#[cfg(test)]
mod tests {
    use super::{cut, excerpt};

    #[test]
    fn excerpt_has_the_begin_and_the_end() {
        assert_eq!(excerpt("unknown field", 13), "unknown field");
        assert_eq!(excerpt(&"é".repeat(100), 13), "éé…éé");
        assert_eq!(excerpt("text", 0), "…");
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("éé", 4), "éé");
        assert_eq!(cut("éé", 3), "é");
        assert_eq!(cut("éé", 1), "");
        assert_eq!(cut("", 1), "");
    }
}
