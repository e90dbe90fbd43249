//! FULL compatibility of schema versions: readers of each version can read what writers of the other wrote.

use std::mem::discriminant;

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};

use crate::rules::short;

/// Checks that readers of either schema can read everything that writers of the other write.
///
/// Stricter than the Avro specification in two ways. It rejects changes after which some values cannot be read (a new enum symbol
/// without a default, a removed union variant). It rejects a changed logical type of a number (milliseconds instead of microseconds).
///
/// # Errors
/// Every incompatibility.
pub fn is_full(old: &str, new: &str) -> Result<(), Vec<String>> {
    let parse = |which: &str, text: &str| {
        Schema::parse_str(text).map_err(|error| {
            vec![format!("failed to parse the {which} schema: {}", line(&error.to_string()))]
        })
    };
    let (old, new) = (parse("old", old)?, parse("new", new)?);
    let mut reasons = Vec::new();
    let name = |schema: &Schema| schema.name().map(|name| name.fullname(None)).unwrap_or_default();
    if name(&old) != name(&new) {
        reasons.push(format!("record name changed from {:?} to {:?}", name(&old), name(&new)));
    }
    reasons.extend(unreadable("new readers, old writers", &old, &new));
    reasons.extend(unreadable("old readers, new writers", &new, &old));
    logical_type_changes("", &old, &new, &mut reasons);
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

/// Checks [`is_full`] against every earlier schema, as the registry does under FULL_TRANSITIVE.
///
/// # Errors
/// Every incompatibility, with the number of the earlier version, from 1.
pub fn is_full_transitive(earlier: &[&str], new: &str) -> Result<(), Vec<String>> {
    let mut reasons = Vec::new();
    for (index, old) in earlier.iter().enumerate() {
        let found = is_full(old, new).err().unwrap_or_default();
        reasons.extend(found.into_iter().map(|reason| format!("version {}: {reason}", index + 1)));
    }
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

fn unreadable(direction: &str, writer: &Schema, reader: &Schema) -> Option<String> {
    match SchemaCompatibility::can_read(writer, reader) {
        Ok(Compatibility::Full) => None,
        Ok(Compatibility::Partial) => Some(format!("{direction}: some values cannot be read")),
        Err(error) => Some(format!("{direction}: {}", line(&error.to_string()))),
    }
}

/// Finds numbers whose logical type changed. The specification compares the underlying types only.
fn logical_type_changes(path: &str, old: &Schema, new: &Schema, reasons: &mut Vec<String>) {
    match (old, new) {
        (Schema::Record(old), Schema::Record(new)) => {
            for field in &old.fields {
                if let Some(twin) = new.fields.iter().find(|twin| twin.name == field.name) {
                    let dot = if path.is_empty() { "" } else { "." };
                    logical_type_changes(
                        &format!("{path}{dot}{}", field.name),
                        &field.schema,
                        &twin.schema,
                        reasons,
                    );
                }
            }
        }
        (Schema::Array(old), Schema::Array(new)) => {
            logical_type_changes(path, &old.items, &new.items, reasons)
        }
        (Schema::Map(old), Schema::Map(new)) => logical_type_changes(path, &old.types, &new.types, reasons),
        (Schema::Union(old), Schema::Union(new)) => {
            for (old, new) in old.variants().iter().zip(new.variants()) {
                logical_type_changes(path, old, new, reasons);
            }
        }
        _ if is_whole_number(old) && is_whole_number(new) && discriminant(old) != discriminant(new) => {
            reasons.push(format!("{path} changed from {old:?} to {new:?}"));
        }
        _ => {}
    }
}

fn is_whole_number(schema: &Schema) -> bool {
    matches!(
        schema,
        Schema::Int
            | Schema::Long
            | Schema::Date
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos
    )
}

/// Joins the lines of a text and limits its length.
fn line(text: &str) -> String {
    short(&text.split_whitespace().collect::<Vec<_>>().join(" ")).to_owned()
}
