//! Rules that several events share. Each returns a cause with the value; [`EventPath`](crate::violation::EventPath) adds event and path.

use std::collections::BTreeMap;

use domain::{
    FeatureSet, Layer, LayerError, Priority, PriorityError, Symbol, SymbolError, Timeframe, Timestamp,
};

use crate::bounds::{CLOCK_AHEAD_MICROS_MAX, ID_BYTES_MAX, TEXT_BYTES_MAX};
use crate::partition::partition_for;
use crate::wire::DataKind;

/// Cause of a violation, with the value. Its text is part of a [`Violation`](crate::Violation) and of the error messages that quote one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Cause(String);

/// Cause if an enum has the value `unknown`: the writer's value does not exist in this version.
const UNKNOWN: &str = "value is not defined in this version";

/// 0001-01-01T00:00:00Z and the last microsecond of 9999: the range of ISO-8601 with years of four digits.
const INSTANTS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

pub(crate) fn check(holds: bool, cause: impl FnOnce() -> String) -> Result<(), Cause> {
    if holds { Ok(()) } else { Err(Cause(cause())) }
}

pub(crate) fn not_empty(text: &str) -> Result<(), Cause> {
    check(!text.is_empty(), || "is empty".to_owned())
}

pub(crate) fn at_most(text: &str, bytes_max: usize) -> Result<(), Cause> {
    check(text.len() <= bytes_max, || format!("{} bytes, at most {bytes_max} are allowed", text.len()))
}

/// Checks an id or a name.
pub(crate) fn id(text: &str) -> Result<(), Cause> {
    not_empty(text)?;
    at_most(text, ID_BYTES_MAX)
}

/// Checks a required text for people.
pub(crate) fn text(text: &str) -> Result<(), Cause> {
    not_empty(text)?;
    at_most(text, TEXT_BYTES_MAX)
}

pub(crate) fn uuid(text: &str) -> Result<(), Cause> {
    check(uuid::Uuid::try_parse(text).is_ok(), || format!("{:?} is not a UUID", short(text)))
}

/// Returns a UUID in its canonical spelling: lower-case digits with hyphens. Other spellings (braces, `urn:uuid:`, without hyphens) are
/// accepted; zero, which is no id, is not.
pub(crate) fn canonical_uuid(text: &str) -> Result<String, Cause> {
    uuid(text)?;
    match uuid::Uuid::try_parse(text) {
        Ok(id) if !id.is_nil() => Ok(id.to_string()),
        _ => Err(Cause(format!("{:?} is the nil UUID, which identifies nothing", short(text)))),
    }
}

pub(crate) fn instant(micros: i64) -> Result<(), Cause> {
    check(INSTANTS.contains(&micros), || {
        format!("{} is outside the years 1 to 9999", Timestamp::from_micros(micros))
    })
}

pub(crate) fn symbol(text: &str) -> Result<(), SymbolError> {
    Symbol::parse(text).map(drop)
}

pub(crate) fn layer(number: i32) -> Result<(), LayerError> {
    Layer::from_number(number).map(drop)
}

pub(crate) fn priority(number: i32) -> Result<(), PriorityError> {
    Priority::new(number).map(drop)
}

pub(crate) fn timeframe(text: &str) -> Result<(), Cause> {
    check(Timeframe::from_name(text).is_some(), || {
        format!("{:?} is not one of {}", short(text), Timeframe::ALL.map(Timeframe::as_str).join(", "))
    })
}

/// Checks the timeframe of a series: required for bars, may be empty for other data.
pub(crate) fn timeframe_of(kind: DataKind, text: &str) -> Result<(), Cause> {
    if text.is_empty() && kind != DataKind::MarketData { Ok(()) } else { timeframe(text) }
}

pub(crate) fn kind(kind: DataKind) -> Result<(), Cause> {
    is_defined(kind != DataKind::Unknown)
}

/// Checks an enum, given whether its value is not `unknown`.
pub(crate) fn is_defined(is_defined: bool) -> Result<(), Cause> {
    check(is_defined, || UNKNOWN.to_owned())
}

pub(crate) fn feature_set(name: &str) -> Result<(), Cause> {
    check(FeatureSet::from_name(name).is_some(), || format!("{:?} is not a feature set", short(name)))
}

pub(crate) fn within(value: f64, range: std::ops::RangeInclusive<i8>) -> Result<(), Cause> {
    let (low, high) = (f64::from(*range.start()), f64::from(*range.end()));
    check((low..=high).contains(&value), || format!("{value} is outside {range:?}"))
}

pub(crate) fn finite(value: f64) -> Result<(), Cause> {
    check(value.is_finite(), || format!("{value} is not a finite number"))
}

/// Checks a map of numbers: at most `count_max` entries, keys of limited length, finite values. The cause names the key.
pub(crate) fn values(values: &BTreeMap<String, f64>, count_max: usize) -> Result<(), Cause> {
    count(values.len(), 0..=count_max)?;
    for name in values.keys() {
        at_most(name, ID_BYTES_MAX).map_err(|cause| Cause(format!("key {:?}: {cause}", short(name))))?;
    }
    values.iter().try_for_each(|(name, value)| {
        check(value.is_finite(), || format!("{:?} is {value}, not a finite number", short(name)))
    })
}

pub(crate) fn at_least(value: i64, min: i64) -> Result<(), Cause> {
    check(value >= min, || format!("{value} is below {min}"))
}

pub(crate) fn count(items: usize, range: std::ops::RangeInclusive<usize>) -> Result<(), Cause> {
    check(range.contains(&items), || format!("{items} items, {range:?} are allowed"))
}

/// Checks a range that includes `last`, which may equal `start`.
pub(crate) fn ordered(start: i64, last: i64) -> Result<(), Cause> {
    check(start <= last, || format!("{} is after the end {}", iso(start), iso(last)))
}

pub(crate) fn before(start: i64, end: i64) -> Result<(), Cause> {
    check(start < end, || format!("{} is not before {}", iso(start), iso(end)))
}

/// Checks two neighbours of a list that is sorted and unique.
pub(crate) fn rising<T: Ord + ?Sized + std::fmt::Debug>(earlier: &T, later: &T) -> Result<(), Cause> {
    check(earlier < later, || format!("{later:?} is not after {earlier:?}: items must be sorted and unique"))
}

pub(crate) fn iso(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// Shortens a text that is quoted in a message to 160 characters.
pub(crate) fn short(text: &str) -> &str {
    const CHARS_MAX: usize = 160;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

pub(crate) fn climbs(from_layer: i32, to_layer: i32) -> Result<(), Cause> {
    check(from_layer < to_layer, || format!("{to_layer} is not above from_layer {from_layer}"))
}

pub(crate) fn data_type(name: &str) -> Result<(), Cause> {
    check(domain::DataType::from_name(name).is_some(), || format!("{:?} is not a data type", short(name)))
}

/// Checks a date, in days since 1970-01-01.
pub(crate) fn day(days: i32) -> Result<(), Cause> {
    const DAY_MICROS: i64 = 86_400_000_000;
    let micros = i64::from(days).saturating_mul(DAY_MICROS);
    check(INSTANTS.contains(&micros), || {
        let instant = Timestamp::from_micros(micros).to_string();
        let date = instant.split('T').next().unwrap_or_default();
        format!("{date} (day {days}) is outside the years 1 to 9999")
    })
}

/// Checks an instant that may be at most 5 min ahead of the clock.
pub(crate) fn not_ahead(micros: i64, now: Timestamp) -> Result<(), Cause> {
    let limit = now.micros().saturating_add(CLOCK_AHEAD_MICROS_MAX);
    check(micros <= limit, || {
        format!("{} is more than 5 min ahead of the clock, {now}", Timestamp::from_micros(micros))
    })
}

/// Checks that `partition` is the one of `count` that the symbol belongs to.
pub(crate) fn in_partition(symbol: &str, partition: i32, count: i32) -> Result<(), Cause> {
    let own = partition_for(symbol.as_bytes(), count);
    check(own == partition, || format!("{symbol} belongs to partition {own} of {count}, not {partition}"))
}
