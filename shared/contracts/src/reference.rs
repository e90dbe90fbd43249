//! Reference of events at run time: fields with type, default and text.
//!
//! Names, types and defaults come from the embedded Avro schema, texts from the Rust doc comments. [`Contract::reference`] returns
//! the reference of a topic's event; `docs/events.md` is rendered from it.
//!
//! [`Contract::reference`]: crate::catalogue::Contract::reference

use apache_avro::Schema;
use apache_avro::schema::{EnumSchema, RecordField, RecordSchema};

use crate::events::RECORDS;
use crate::topics::Topic;
use crate::wire::ENUMS;

/// Reference of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventReference {
    /// Topic of the event.
    pub topic: Topic,
    /// The event itself: text and fields, the envelope first.
    pub record: RecordReference,
    /// Records that the fields refer to, in order of appearance.
    pub records: Vec<RecordReference>,
    /// Enums that the fields refer to, in order of appearance.
    pub enums: Vec<EnumReference>,
}

/// Reference of an Avro record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordReference {
    /// Name without namespace.
    pub name: String,
    /// Text. Paragraphs are separated by an empty line.
    pub doc: String,
    /// Fields, in the order of the schema.
    pub fields: Vec<FieldReference>,
}

/// Reference of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldReference {
    /// Name of the field.
    pub name: String,
    /// Type, such as `string or null` or `array of RequestedSymbol`.
    pub avro_type: String,
    /// Default, as JSON. `None` if the field is required.
    pub default: Option<String>,
    /// Text.
    pub doc: String,
}

/// Reference of an Avro enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumReference {
    /// Name without namespace.
    pub name: String,
    /// Text. Empty for `AlertType`.
    pub doc: String,
    /// Names and texts of the values, in the order of the schema. The texts are empty for `AlertType`.
    pub values: Vec<(String, String)>,
}

/// Returns the reference of an event. `schema` is the embedded schema of the topic.
pub(crate) fn of_event(topic: Topic, schema: &Schema) -> EventReference {
    let mut found = Types::default();
    found.collect(schema);
    let mut records = found.records.into_iter();
    let record = records.next().expect("an event is a record: its schema was parsed");
    EventReference { topic, record, records: records.collect(), enums: found.enums }
}

/// The named types of a schema.
#[derive(Default)]
struct Types {
    records: Vec<RecordReference>,
    enums: Vec<EnumReference>,
}

impl Types {
    fn collect(&mut self, schema: &Schema) {
        match schema {
            Schema::Record(record) => {
                self.records.push(of_record(record));
                for field in &record.fields {
                    self.collect(&field.schema);
                }
            }
            Schema::Enum(symbols) => self.enums.push(of_enum(symbols)),
            Schema::Array(array) => self.collect(&array.items),
            Schema::Map(map) => self.collect(&map.types),
            Schema::Union(union) => union.variants().iter().for_each(|variant| self.collect(variant)),
            _ => {}
        }
    }
}

fn of_record(record: &RecordSchema) -> RecordReference {
    let name = record.name.name();
    let docs = RECORDS.iter().find(|docs| docs.name == name);
    let of_field = |field: &RecordField| FieldReference {
        name: field.name.clone(),
        avro_type: type_name(&field.schema),
        default: field.default.as_ref().map(ToString::to_string),
        doc: docs.map_or_else(String::new, |docs| text_of(docs.fields, &field.name)),
    };
    RecordReference {
        name: name.to_owned(),
        doc: docs.map_or_else(String::new, |docs| text(docs.doc)),
        fields: record.fields.iter().map(of_field).collect(),
    }
}

fn of_enum(symbols: &EnumSchema) -> EnumReference {
    let name = symbols.name.name();
    let docs = ENUMS.iter().find(|docs| docs.name == name);
    let of_value =
        |value: &String| (value.clone(), docs.map_or_else(String::new, |docs| text_of(docs.values, value)));
    EnumReference {
        name: name.to_owned(),
        doc: docs.map_or_else(String::new, |docs| text(docs.doc)),
        values: symbols.symbols.iter().map(of_value).collect(),
    }
}

fn type_name(schema: &Schema) -> String {
    match schema {
        Schema::Null => "null".to_owned(),
        Schema::Boolean => "boolean".to_owned(),
        Schema::Int => "int".to_owned(),
        Schema::Long => "long".to_owned(),
        Schema::Double => "double".to_owned(),
        Schema::String => "string".to_owned(),
        Schema::TimestampMicros => "long (timestamp-micros)".to_owned(),
        Schema::Date => "int (date)".to_owned(),
        Schema::Array(array) => format!("array of {}", type_name(&array.items)),
        Schema::Map(map) => format!("map of {}", type_name(&map.types)),
        Schema::Union(union) => {
            // `null` comes first in the schemas, because it is the default.
            let names = union.variants().iter().rev().map(type_name);
            names.collect::<Vec<_>>().join(" or ")
        }
        Schema::Ref { name } => name.name().to_owned(),
        named => named.name().map_or_else(|| format!("{named:?}"), |name| name.name().to_owned()),
    }
}

/// Returns the text of the entry with this name. Empty if there is none.
fn text_of(texts: &[(&str, &str)], name: &str) -> String {
    texts.iter().find(|(of, _)| *of == name).map_or_else(String::new, |(_, doc)| text(doc))
}

/// Joins the lines of each paragraph of a doc comment.
fn text(doc: &str) -> String {
    let lines: Vec<&str> = doc.lines().map(str::trim).collect();
    let paragraphs = lines.split(|line| line.is_empty()).filter(|lines| !lines.is_empty());
    paragraphs.map(|lines| lines.join(" ")).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::catalogue::contract;
    use crate::topics::Topic;

    #[test]
    fn lines_of_a_paragraph_are_joined() {
        assert_eq!(text(" one\n two\n\n three\n"), "one two\n\nthree");
        assert_eq!(text(""), "");
    }

    #[test]
    fn reference_has_types_defaults_and_texts() {
        let reference = contract(Topic::BatchRequested).map(|contract| contract.reference()).unwrap();
        let field = |name: &str| {
            let field = reference.record.fields.iter().find(|field| field.name == name).unwrap();
            (field.avro_type.as_str(), field.default.as_deref())
        };
        assert_eq!(field("event_id"), ("string", None));
        assert_eq!(field("occurred_at"), ("long (timestamp-micros)", None));
        assert_eq!(field("correlation_id"), ("string or null", Some("null")));
        assert_eq!(field("symbols"), ("array of RequestedSymbol", None));
        assert_eq!(field("source_scanners"), ("array of string", Some("[]")));
        assert_eq!(reference.records.len(), 1);
        assert_eq!(reference.records[0].name, "RequestedSymbol");
        assert_eq!(reference.records[0].fields[0].doc, "Ticker symbol, such as `AAPL` or `BRK.B`.");
        let vector = contract(Topic::VectorComputed).map(|contract| contract.reference()).unwrap();
        assert_eq!((vector.enums[0].name.as_str(), vector.enums[0].values.len()), ("SetStatus", 4));
    }
}
