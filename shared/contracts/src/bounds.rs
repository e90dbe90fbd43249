//! How long texts may be, so that whatever is made of valid events fits its topic.
//!
//! An event is passed on by stages that merge and copy: a request carries the ids of up to 1,000 alerts. What has no bound at the edge
//! would be refused by Kafka three stages later, where nobody can give it back. See ADR 015.

/// The most bytes of an id or a name: `source`, `correlation_id`, `request_id`, `requester`, `source_scanner` and the like.
pub const MAX_ID_BYTES: usize = 256;

/// The most bytes of a text for people: `message`, `reason`, `headline`, `url`, `error`.
pub const MAX_TEXT_BYTES: usize = 4 * 1024;

/// The most metrics of a proposal, and of what is announced of it.
pub const MAX_METRICS: usize = 200;

/// The most values of a feature set in a vector: 43 sets of these, with names as long as they may be, fit a payload.
pub const MAX_SET_VALUES: usize = 50;

/// The most alerts that are merged into a request: each may leave a correlation id and a scanner there.
pub const MAX_MERGED_ALERTS: usize = 1_000;

/// The text up to `most_bytes`, cut between characters: for texts that we write ourselves from what others said.
#[must_use]
pub fn cut(text: &str, most_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(most_bytes)]
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("éé", 4), "éé");
        assert_eq!(cut("éé", 3), "é");
        assert_eq!(cut("éé", 1), "");
        assert_eq!(cut("", 1), "");
    }
}
