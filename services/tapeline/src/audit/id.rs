//! Ids in 16 bytes: a million of them fit where their texts would not.

use uuid::Uuid;

/// An id: a UUID's own bits, or those of a hash (UUID v5) where the text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u128);

impl Id {
    /// The id that this text is.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let uuid =
            Uuid::try_parse(text).unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()));
        Self(uuid.as_u128())
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Uuid::from_u128(self.0).fmt(f)
    }
}
