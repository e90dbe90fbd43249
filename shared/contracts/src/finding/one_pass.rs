//! Reads a finding in one pass: the event's name is read where it is, and then the other fields.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;

use domain::AlertType;
use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::input::{Defaults, Entries, Key};
use super::parsed::{EventKind, Unchecked};

/// The maximum number of fields before `event`, so that the memory of a finding without one is bounded. No event has as many fields.
const FIELDS_BEFORE_MAX: usize = 32;

/// Reads a finding without checking its rules, for readers of batches. Borrowed input is required if `event` is not the first field.
///
/// Its errors name no event and no path: [`parse`](super::parse) determines both in further passes.
#[derive(Debug, Clone, Copy)]
pub struct OnePass<'a>(pub &'a Defaults<'a>);

impl<'de> DeserializeSeed<'de> for OnePass<'_> {
    type Value = Unchecked;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Unchecked, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OnePass<'_> {
    type Value = Unchecked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the fields of an event")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Unchecked, M::Error> {
        let mut before = VecDeque::new();
        while let Some(Key(key)) = map.next_key()? {
            if key != "event" {
                if before.len() == FIELDS_BEFORE_MAX {
                    return Err(M::Error::custom("too many fields before `event`"));
                }
                before.push_back((key, map.next_value::<&RawValue>()?));
                continue;
            }
            let Key(name) = map.next_value()?;
            let kind = EventKind::from_name(&name).ok_or_else(|| M::Error::custom("unknown event"))?;
            let mut undefined_alert_type = None;
            let fields = Fields {
                before,
                value: None,
                map,
                is_alert: kind == EventKind::Alert,
                is_alert_type: false,
                undefined_alert_type: &mut undefined_alert_type,
            };
            let input = MapAccessDeserializer::new(Entries::new(fields, self.0));
            let finding = kind.read(input)?;
            return Ok(Unchecked::new(finding, undefined_alert_type));
        }
        Err(M::Error::missing_field("event"))
    }
}

/// The fields other than `event`: those before it, then those after it.
struct Fields<'a, 'de, M> {
    before: VecDeque<(Cow<'de, str>, &'de RawValue)>,
    /// The value of the key before `event` that was passed on last.
    value: Option<&'de RawValue>,
    map: M,
    is_alert: bool,
    /// The key that was passed on last is that of an alert's type.
    is_alert_type: bool,
    undefined_alert_type: &'a mut Option<String>,
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for Fields<'_, 'de, M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, M::Error> {
        let key = match self.before.pop_front() {
            Some((key, value)) => {
                self.value = Some(value);
                key
            }
            None => match self.map.next_key()? {
                Some(Key(key)) if key == "event" => return Err(M::Error::duplicate_field("event")),
                Some(Key(key)) => key,
                None => return Ok(None),
            },
        };
        self.is_alert_type = self.is_alert && key == "alert_type";
        let key: CowStrDeserializer<'_, M::Error> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        if self.is_alert_type {
            let Key(name) = match self.value.take() {
                Some(value) => serde::Deserialize::deserialize(value).map_err(M::Error::custom)?,
                None => self.map.next_value()?,
            };
            if AlertType::from_name(&name).is_none() {
                *self.undefined_alert_type = Some(name.clone().into_owned());
            }
            let name: CowStrDeserializer<'_, M::Error> = name.into_deserializer();
            return seed.deserialize(name);
        }
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(M::Error::custom),
            None => self.map.next_value_seed(seed),
        }
    }
}
