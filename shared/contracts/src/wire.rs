//! Wire form of values: numbers and indexes in Avro, texts in JSON.
//!
//! A human-readable format (JSON) has instants as ISO-8601 in UTC, dates as `2024-03-15` and enums by name. Avro has microseconds,
//! days and indexes.

use serde::{Deserialize, Serialize};

/// Documentation of an enum, taken from its doc comments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnumDocs {
    /// Name of the Avro enum.
    pub(crate) name: &'static str,
    /// Text of the enum.
    pub(crate) doc: &'static str,
    /// Names and texts of its values, in the order of the schema.
    pub(crate) values: &'static [(&'static str, &'static str)],
}

/// Documentation of all enums but `AlertType`, whose values explain themselves.
pub(crate) const ENUMS: &[EnumDocs] = &[
    DataKind::DOCS,
    SetStatus::DOCS,
    RequestErrorClass::DOCS,
    BackfillTrigger::DOCS,
    BackfillErrorClass::DOCS,
];

/// Declares an enum with its names and keeps its doc comments as `DOCS`. Serde writes it by name or, in Avro, by index.
macro_rules! wire_enum {
    (
        $(#[doc = $doc:literal])+
        $name:ident($avro_name:literal) {
            $($(#[doc = $value_doc:literal])+ $variant:ident = $text:literal,)+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[doc = $value_doc])+ #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every value, in the order of the schema.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub(crate) const DOCS: EnumDocs = EnumDocs {
                name: $avro_name,
                doc: concat!($($doc, "\n"),+),
                values: &[$(($text, concat!($($value_doc, "\n"),+))),+],
            };

            /// Returns the name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

wire_enum! {
    /// Data type of a series.
    DataKind("DataType") {
        /// Splits, dividends and other corporate actions.
        CorporateActions = "corporate_actions",
        /// Company fundamentals.
        Fundamentals = "fundamentals",
        /// Bars.
        MarketData = "market_data",
        /// News items.
        News = "news",
        /// Option quotes.
        Options = "options",
        /// Not defined in this version. Invalid.
        Unknown = "unknown",
    }
}

wire_enum! {
    /// Status of a feature set in a vector.
    SetStatus("SetStatus") {
        /// All or some values were computed. The reason names missing values.
        Computed = "computed",
        /// No values, because data is missing. The reason names the data.
        Unavailable = "unavailable",
        /// No values, because the computation failed. The reason is the error.
        Failed = "failed",
        /// Not defined in this version. Invalid.
        Unknown = "unknown",
    }
}

wire_enum! {
    /// Error class of a feature request.
    RequestErrorClass("RequestErrorClass") {
        /// The request expired before it was computed.
        Expired = "expired",
        /// An earlier request for the same symbol, timeframe, feature sets and `occurred_at` exists.
        Duplicate = "duplicate",
        /// The request violates a rule that only the feature service can check.
        Invalid = "invalid",
        /// All attempts failed.
        Exhausted = "exhausted",
        /// Not defined in this version. Invalid.
        Unknown = "unknown",
    }
}

wire_enum! {
    /// Cause of a backfill request.
    BackfillTrigger("BackfillTrigger") {
        /// The symbol entered a layer.
        Qualified = "qualified",
        /// The symbol moved to a higher layer.
        Promoted = "promoted",
        /// A gap was detected.
        Gap = "gap",
        /// A person requested it.
        Manual = "manual",
        /// Not defined in this version. Invalid.
        Unknown = "unknown",
    }
}

wire_enum! {
    /// Error class of a backfill that served nothing.
    BackfillErrorClass("BackfillErrorClass") {
        /// The request violates a rule that only the executor can check, or its completion event would be too large.
        Invalid = "invalid",
        /// The same backfill succeeded within the dedup window.
        Duplicate = "duplicate",
        /// No source serves any of the data types. Before version 2 of the schema also: none has the symbol.
        NoSource = "no_source",
        /// The source is unavailable. Before version 2 of the schema: the source has nothing of the range yet.
        SourceUnavailable = "source_unavailable",
        /// The source rejected the request permanently.
        Refused = "refused",
        /// All attempts failed.
        Exhausted = "exhausted",
        /// The source does not have the symbol.
        UnknownSymbol = "unknown_symbol",
        /// The source has nothing of the range yet, for example because its file ends before it.
        NotYet = "not_yet",
        /// A request with `cancel` ended the attempt.
        Cancelled = "cancelled",
        /// Not defined in this version. Invalid.
        Unknown = "unknown",
    }
}

impl DataKind {
    /// Returns the data type. `None` for [`DataKind::Unknown`].
    #[must_use]
    pub fn known(self) -> Option<domain::DataType> {
        domain::DataType::from_name(self.as_str())
    }
}

impl From<domain::DataType> for DataKind {
    fn from(data_type: domain::DataType) -> Self {
        match data_type {
            domain::DataType::CorporateActions => Self::CorporateActions,
            domain::DataType::Fundamentals => Self::Fundamentals,
            domain::DataType::MarketData => Self::MarketData,
            domain::DataType::News => Self::News,
            domain::DataType::Options => Self::Options,
        }
    }
}

/// An instant for `#[serde(with)]`: microseconds since 1970-01-01T00:00:00Z in Avro, ISO-8601 in JSON.
pub(crate) mod instant {
    use domain::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&Timestamp::from_micros(*micros))
        } else {
            serializer.serialize_i64(*micros)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            Timestamp::parse(&text).map(Timestamp::micros).map_err(D::Error::custom)
        } else {
            i64::deserialize(deserializer)
        }
    }
}

/// A date for `#[serde(with)]`: days since 1970-01-01 in Avro, `2024-03-15` in JSON.
pub(crate) mod date {
    use std::time::Duration;

    use domain::Date;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    const EPOCH: Date = Date::constant(1970, 1, 1);
    const DAY: Duration = Duration::from_secs(86_400);

    /// Returns the date that is `days` after 1970-01-01. `None` outside the years -9999 to 9999.
    pub(crate) fn of_days(days: i32) -> Option<Date> {
        let distance = DAY.checked_mul(days.unsigned_abs())?;
        if days < 0 { EPOCH.checked_sub(distance).ok() } else { EPOCH.checked_add(distance).ok() }
    }

    /// Returns the days since 1970-01-01.
    pub(crate) fn to_days(date: Date) -> i32 {
        let days = date.duration_since(EPOCH).as_hours() / 24;
        i32::try_from(days).expect("the years -9999 to 9999 are fewer than four million days")
    }

    pub(crate) fn serialize<S: Serializer>(days: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        match of_days(*days) {
            Some(date) if serializer.is_human_readable() => serializer.collect_str(&date),
            _ => serializer.serialize_i32(*days),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse()
                .map(to_days)
                .map_err(|_| D::Error::custom(format!("{text:?} is not a date such as 2024-03-15")))
        } else {
            i32::deserialize(deserializer)
        }
    }
}

/// An alert type for `#[serde(with)]`. Any undefined name is read as `unknown`.
pub(crate) mod alert_type {
    use std::fmt;

    use domain::AlertType;
    use serde::de::{DeserializeSeed, EnumAccess, VariantAccess, Visitor};
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &AlertType, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit_variant("AlertType", *value as u32, value.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AlertType, D::Error> {
        deserializer.deserialize_enum("AlertType", &[], AlertTypeVisitor)
    }

    struct AlertTypeVisitor;

    impl<'de> Visitor<'de> for AlertTypeVisitor {
        type Value = AlertType;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the name of an alert type")
        }

        fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<AlertType, A::Error> {
            let (alert_type, variant) = access.variant_seed(NameSeed)?;
            variant.unit_variant()?;
            Ok(alert_type)
        }
    }

    struct NameSeed;

    impl<'de> DeserializeSeed<'de> for NameSeed {
        type Value = AlertType;

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<AlertType, D::Error> {
            deserializer.deserialize_identifier(self)
        }
    }

    impl Visitor<'_> for NameSeed {
        type Value = AlertType;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the name of an alert type")
        }

        fn visit_str<E>(self, name: &str) -> Result<AlertType, E> {
            Ok(AlertType::from_name(name).unwrap_or(AlertType::Unknown))
        }
    }
}
