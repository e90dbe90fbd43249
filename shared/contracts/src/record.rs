//! Wire structs that carry their own documentation: the macros [`record!`] and [`event!`].
//!
//! The Rust doc comments of a wire struct are the text of the event reference. The macros keep them as constants, so that the
//! [catalogue](crate::catalogue) can return them at run time. See ADR 074.

/// Documentation of a wire struct, taken from its doc comments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordDocs {
    /// Name of the struct, which is also the name of its Avro record.
    pub(crate) name: &'static str,
    /// Text of the struct.
    pub(crate) doc: &'static str,
    /// Names and texts of its fields.
    pub(crate) fields: &'static [(&'static str, &'static str)],
}

/// Declares a wire struct and keeps its doc comments as `DOCS`. The fields are those of the Avro record, in its order.
macro_rules! record {
    (
        $(#[doc = $doc:literal])+
        $(#[derive($($derive:path),+)])?
        pub struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])+
                $(#[serde($($serde:tt)+)])?
                pub $field:ident: $type:ty,
            )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        $(#[derive($($derive),+)])?
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[doc = $field_doc])+
                $(#[serde($($serde)+)])?
                pub $field: $type,
            )+
        }

        impl $name {
            pub(crate) const DOCS: $crate::record::RecordDocs = $crate::record::RecordDocs {
                name: stringify!($name),
                doc: concat!($($doc, "\n"),+),
                fields: &[$((stringify!($field), concat!($($field_doc, "\n"),+))),+],
            };
        }
    };
}

/// Declares an event: a [`record!`] that begins with the fields of the envelope.
macro_rules! event {
    (
        $(#[doc = $doc:literal])+
        pub struct $name:ident { $($fields:tt)+ }
    ) => {
        $crate::record::record! {
            $(#[doc = $doc])+
            pub struct $name {
                /// Id of the event: a UUID, version 7 if Tapeline assigned it.
                pub event_id: String,
                /// Event time: when the event happened. A derived event carries the newest `occurred_at` of its causes. In
                /// microseconds since 1970-01-01T00:00:00Z, as all times; at most 5 min ahead of the clock.
                #[serde(with = "crate::wire::instant")]
                pub occurred_at: i64,
                /// Name of the component that published the event, 1 to 256 bytes. In bars, news, corporate actions and progress
                /// events it names the source of the data.
                pub source: String,
                /// Id that is passed from cause to effect, 1 to 256 bytes. A derived event carries that of its first cause. Absent
                /// if the cause had none.
                #[serde(default)]
                pub correlation_id: Option<String>,
                $($fields)+
            }
        }
    };
}

pub(crate) use {event, record};
