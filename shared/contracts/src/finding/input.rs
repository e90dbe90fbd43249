//! Adapts a finding to the struct of its event: without `event`, with defaults for omitted fields.

use std::borrow::Cow;

use domain::Timestamp;
use serde::de::value::StringDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::ids;

/// Defaults of omitted fields.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    /// Default of `occurred_at`, and the clock for [`Event::check_clock`](crate::Event::check_clock).
    pub now: Timestamp,
    /// Default of `source`: the name of the caller.
    pub source: &'a str,
}

/// Passes the entries of a map on, except `event`, and appends the defaults of omitted fields.
pub(super) struct WithDefaults<'a, D> {
    input: D,
    defaults: &'a Defaults<'a>,
}

impl<'a, D> WithDefaults<'a, D> {
    pub(super) fn new(input: D, defaults: &'a Defaults<'a>) -> Self {
        Self { input, defaults }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for WithDefaults<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.input.deserialize_map(WithDefaults { input: visitor, defaults: self.defaults })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for WithDefaults<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.input.expecting(f)
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<V::Value, M::Error> {
        self.input.visit_map(Entries::new(map, self.defaults))
    }
}

/// A field with a default.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DefaultField {
    EventId,
    OccurredAt,
    Source,
}

impl DefaultField {
    const ALL: [Self; 3] = [Self::EventId, Self::OccurredAt, Self::Source];

    fn field(self) -> &'static str {
        match self {
            Self::EventId => "event_id",
            Self::OccurredAt => "occurred_at",
            Self::Source => "source",
        }
    }

    fn value(self, defaults: &Defaults<'_>) -> String {
        match self {
            Self::EventId => ids::event_id(),
            Self::OccurredAt => defaults.now.to_string(),
            Self::Source => defaults.source.to_owned(),
        }
    }
}

/// The entries of a finding as the fields of its event.
pub(super) struct Entries<'a, M> {
    map: M,
    defaults: &'a Defaults<'a>,
    /// Fields that were not among the entries so far.
    omitted: Vec<DefaultField>,
    /// The field whose key was passed on last, after the end of the map.
    next: Option<DefaultField>,
}

#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl<'a, M> Entries<'a, M> {
    pub(super) fn new(map: M, defaults: &'a Defaults<'a>) -> Self {
        Self { map, defaults, omitted: DefaultField::ALL.to_vec(), next: None }
    }
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for Entries<'_, M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, M::Error> {
        while let Some(Key(key)) = self.map.next_key()? {
            if key == "event" {
                self.map.next_value::<IgnoredAny>()?;
                continue;
            }
            self.omitted.retain(|field| field.field() != key);
            return seed.deserialize(key.into_deserializer()).map(Some);
        }
        self.next = self.omitted.pop();
        match self.next {
            Some(field) => seed.deserialize(field.field().into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        match self.next {
            Some(field) => seed.deserialize(StringDeserializer::new(field.value(self.defaults))),
            None => self.map.next_value_seed(seed),
        }
    }
}
