//! The rules that several events share. Each says what is wrong with which value; where it stands, [`Place`](crate::violation::Place)
//! knows.

use std::collections::BTreeMap;

use domain::{
    FeatureSet, Layer, LayerError, Priority, PriorityError, Symbol, SymbolError, Timeframe, Timestamp,
};

use crate::bounds::{MAX_ID_BYTES, MAX_TEXT_BYTES};
use crate::wire::DataKind;

/// What is wrong with a value.
pub(crate) type Cause = String;

/// 0001-01-01T00:00:00Z and the last microsecond of 9999: what ISO-8601 can say with four digits of a year.
const INSTANTS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

pub(crate) fn check(holds: bool, cause: impl FnOnce() -> Cause) -> Result<(), Cause> {
    if holds { Ok(()) } else { Err(cause()) }
}

pub(crate) fn not_empty(text: &str) -> Result<(), Cause> {
    check(!text.is_empty(), || "is empty".to_owned())
}

/// Of at most so many bytes.
pub(crate) fn at_most(text: &str, most_bytes: usize) -> Result<(), Cause> {
    check(text.len() <= most_bytes, || format!("{} bytes, at most {most_bytes} are allowed", text.len()))
}

/// An id or a name.
pub(crate) fn id(text: &str) -> Result<(), Cause> {
    not_empty(text)?;
    at_most(text, MAX_ID_BYTES)
}

/// A text for people that has to be there.
pub(crate) fn text(text: &str) -> Result<(), Cause> {
    not_empty(text)?;
    at_most(text, MAX_TEXT_BYTES)
}

pub(crate) fn uuid(text: &str) -> Result<(), Cause> {
    check(uuid::Uuid::try_parse(text).is_ok(), || format!("{:?} is not a UUID", short(text)))
}

pub(crate) fn instant(micros: i64) -> Result<(), Cause> {
    check(INSTANTS.contains(&micros), || format!("{micros} microseconds lie outside the years 1 to 9999"))
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

/// Bars have a timeframe; of other data it is left empty.
pub(crate) fn timeframe_of(kind: DataKind, text: &str) -> Result<(), Cause> {
    if text.is_empty() && kind != DataKind::MarketData { Ok(()) } else { timeframe(text) }
}

pub(crate) fn kind(kind: DataKind) -> Result<(), Cause> {
    check(kind != DataKind::Unknown, || "is of a kind that this version does not know".to_owned())
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

/// At most `most` values, with names of bounded length, and every value is finite; else the cause names the key.
pub(crate) fn values(values: &BTreeMap<String, f64>, most: usize) -> Result<(), Cause> {
    count(values.len(), 0..=most)?;
    for name in values.keys() {
        at_most(name, MAX_ID_BYTES).map_err(|cause| format!("the key {:?}: {cause}", short(name)))?;
    }
    match values.iter().find(|(_, value)| !value.is_finite()) {
        Some((name, value)) => Err(format!("{:?} is {value}, not a finite number", short(name))),
        None => Ok(()),
    }
}

pub(crate) fn at_least(value: i64, least: i64) -> Result<(), Cause> {
    check(value >= least, || format!("{value} is below {least}"))
}

pub(crate) fn count(items: usize, range: std::ops::RangeInclusive<usize>) -> Result<(), Cause> {
    check(range.contains(&items), || format!("{items} items, allowed are {range:?}"))
}

/// `last` belongs to the range: it may equal `start`.
pub(crate) fn ordered(start: i64, last: i64) -> Result<(), Cause> {
    check(start <= last, || format!("{} is after the end {}", iso(start), iso(last)))
}

pub(crate) fn before(start: i64, end: i64) -> Result<(), Cause> {
    check(start < end, || format!("{} is not before {}", iso(start), iso(end)))
}

/// Strictly rising, hence sorted and unique.
pub(crate) fn rising<T: Ord + ?Sized + std::fmt::Debug>(earlier: &T, later: &T) -> Result<(), Cause> {
    check(earlier < later, || {
        format!("{later:?} does not come after {earlier:?}: sorted and unique is the rule")
    })
}

pub(crate) fn iso(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// The text, cut so that a message stays readable whatever was sent.
pub(crate) fn short(text: &str) -> &str {
    const MOST_CHARS: usize = 160;
    match text.char_indices().nth(MOST_CHARS) {
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

/// A date of four digits of a year, as days since 1970-01-01.
pub(crate) fn day(days: i32) -> Result<(), Cause> {
    const DAY_MICROS: i64 = 86_400_000_000;
    check(INSTANTS.contains(&(i64::from(days) * DAY_MICROS)), || {
        format!("day {days} lies outside the years 1 to 9999")
    })
}
