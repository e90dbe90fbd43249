//! Ids in 16 bytes instead of their texts, so that millions fit into memory.

use uuid::Uuid;

/// An id: the bits of a UUID, or those of a hash (UUID v5) if the text is no UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u128);

impl Id {
    /// Returns the id of this text.
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
