//! How values look on the wire: numbers and indexes in Avro, texts in JSON.
//!
//! One rule for both: a form for people (JSON, `is_human_readable`) writes instants as ISO-8601 in UTC, dates as `2024-03-15` and
//! enums by name; Avro writes microseconds, days and indexes.

use serde::{Deserialize, Serialize};

/// Declares an enum of the wire with its texts; serde writes it by name or, in Avro, by index.
macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every value, in the schema's order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name on the wire.
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
    /// A data type as events carry it: [`domain::DataType`], or one that is newer than this version.
    DataKind {
        /// Splits, dividends and the like.
        CorporateActions = "corporate_actions",
        /// Company fundamentals.
        Fundamentals = "fundamentals",
        /// Bars.
        MarketData = "market_data",
        /// News items.
        News = "news",
        /// Option quotes.
        Options = "options",
        /// Newer than this version; never valid to act on.
        Unknown = "unknown",
    }
}

wire_enum! {
    /// How a feature set was answered.
    SetStatus {
        /// With values, all or some; the reason names what is missing.
        Computed = "computed",
        /// Without, because its data is missing; the reason says which.
        Unavailable = "unavailable",
        /// Without, because the computation failed.
        Failed = "failed",
        /// Newer than this version.
        Unknown = "unknown",
    }
}

wire_enum! {
    /// Why symbols of a feature request get no vector.
    RequestErrorClass {
        /// The request outlived its time.
        Expired = "expired",
        /// An earlier request asks for the same.
        Duplicate = "duplicate",
        /// The request breaks a rule that only the service can check.
        Invalid = "invalid",
        /// All attempts failed.
        Exhausted = "exhausted",
        /// Newer than this version.
        Unknown = "unknown",
    }
}

wire_enum! {
    /// Why a backfill is asked for.
    BackfillTrigger {
        /// A symbol qualified for a layer.
        Qualified = "qualified",
        /// A symbol was promoted.
        Promoted = "promoted",
        /// A gap was found.
        Gap = "gap",
        /// A person asked.
        Manual = "manual",
        /// Newer than this version.
        Unknown = "unknown",
    }
}

wire_enum! {
    /// Why a backfill served nothing.
    BackfillErrorClass {
        /// The request breaks a rule that only the executor can check.
        Invalid = "invalid",
        /// The same backfill succeeded a short while ago.
        Duplicate = "duplicate",
        /// No source serves any of its data types.
        NoSource = "no_source",
        /// The source's breaker stayed open.
        SourceUnavailable = "source_unavailable",
        /// The source refused for good.
        Refused = "refused",
        /// All attempts failed.
        Exhausted = "exhausted",
        /// Newer than this version.
        Unknown = "unknown",
    }
}

impl DataKind {
    /// The data type, if this version knows it.
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

/// An instant: microseconds since 1970 in Avro, ISO-8601 in JSON. For `#[serde(with)]`.
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

/// A date: days since 1970-01-01 in Avro, `2024-03-15` in JSON. For `#[serde(with)]`.
pub(crate) mod date {
    use std::time::Duration;

    use domain::Date;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    const EPOCH: Date = Date::constant(1970, 1, 1);
    const DAY: Duration = Duration::from_secs(86_400);

    /// The date so many days after 1970-01-01; none outside the years -9999 to 9999.
    pub(crate) fn of_days(days: i32) -> Option<Date> {
        let distance = DAY.checked_mul(days.unsigned_abs())?;
        if days < 0 { EPOCH.checked_sub(distance).ok() } else { EPOCH.checked_add(distance).ok() }
    }

    /// Days since 1970-01-01.
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
                .map_err(|_| D::Error::custom(format!("{text:?} is not a date as 2024-03-15")))
        } else {
            i32::deserialize(deserializer)
        }
    }
}

/// An alert's type: by name, any other name being `unknown`. For `#[serde(with)]`.
pub(crate) mod alert_type {
    use std::fmt;

    use domain::AlertType;
    use serde::de::{DeserializeSeed, EnumAccess, VariantAccess, Visitor};
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &AlertType, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit_variant("AlertType", *value as u32, value.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AlertType, D::Error> {
        deserializer.deserialize_enum("AlertType", &[], AnAlertType)
    }

    struct AnAlertType;

    impl<'de> Visitor<'de> for AnAlertType {
        type Value = AlertType;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the name of an alert type")
        }

        fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<AlertType, A::Error> {
            let (alert_type, variant) = access.variant_seed(Name)?;
            variant.unit_variant()?;
            Ok(alert_type)
        }
    }

    struct Name;

    impl<'de> DeserializeSeed<'de> for Name {
        type Value = AlertType;

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<AlertType, D::Error> {
            deserializer.deserialize_identifier(self)
        }
    }

    impl Visitor<'_> for Name {
        type Value = AlertType;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the name of an alert type")
        }

        fn visit_str<E>(self, name: &str) -> Result<AlertType, E> {
            Ok(AlertType::from_name(name).unwrap_or(AlertType::Unknown))
        }
    }
}
