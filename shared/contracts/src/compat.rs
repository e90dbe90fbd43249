//! Whether a schema may follow another: FULL compatibility, each reads what the other writes.

use std::mem::discriminant;

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};

use crate::rules::short;

/// Whether readers of either schema can read everything that writers of the other write.
///
/// Stricter than the specification in two ways: what can be read only sometimes is refused (an enum's new symbol without a default,
/// a union that lost a variant), and so is a number that comes to count something else (milliseconds instead of microseconds).
///
/// # Errors
/// Every reason against it.
pub fn is_full(old: &str, new: &str) -> Result<(), Vec<String>> {
    let parse = |which: &str, text: &str| {
        Schema::parse_str(text)
            .map_err(|error| vec![format!("the {which} schema cannot be read: {}", line(&error.to_string()))])
    };
    let (old, new) = (parse("old", old)?, parse("new", new)?);
    let mut reasons = Vec::new();
    let name = |schema: &Schema| schema.name().map(|name| name.fullname(None)).unwrap_or_default();
    if name(&old) != name(&new) {
        reasons.push(format!("the record is {:?}, it was {:?}", name(&new), name(&old)));
    }
    reasons.extend(unreadable("new readers, old writers", &old, &new));
    reasons.extend(unreadable("old readers, new writers", &new, &old));
    counts_otherwise("", &old, &new, &mut reasons);
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

/// [`is_full`] against every earlier schema: what a subject under FULL_TRANSITIVE asks for.
///
/// # Errors
/// Every reason against it, with the place of the earlier schema, counted from 1.
pub fn is_full_transitive(earlier: &[&str], new: &str) -> Result<(), Vec<String>> {
    let mut reasons = Vec::new();
    for (index, old) in earlier.iter().enumerate() {
        let against = is_full(old, new).err().unwrap_or_default();
        reasons.extend(against.into_iter().map(|reason| format!("version {}: {reason}", index + 1)));
    }
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

fn unreadable(who: &str, writer: &Schema, reader: &Schema) -> Option<String> {
    match SchemaCompatibility::can_read(writer, reader) {
        Ok(Compatibility::Full) => None,
        Ok(Compatibility::Partial) => Some(format!("{who}: some values cannot be read")),
        Err(error) => Some(format!("{who}: {}", line(&error.to_string()))),
    }
}

/// Finds numbers whose logical type changed, which the specification lets pass: it looks at the underlying type alone.
fn counts_otherwise(path: &str, old: &Schema, new: &Schema, reasons: &mut Vec<String>) {
    match (old, new) {
        (Schema::Record(old), Schema::Record(new)) => {
            for field in &old.fields {
                if let Some(twin) = new.fields.iter().find(|twin| twin.name == field.name) {
                    let dot = if path.is_empty() { "" } else { "." };
                    counts_otherwise(
                        &format!("{path}{dot}{}", field.name),
                        &field.schema,
                        &twin.schema,
                        reasons,
                    );
                }
            }
        }
        (Schema::Array(old), Schema::Array(new)) => counts_otherwise(path, &old.items, &new.items, reasons),
        (Schema::Map(old), Schema::Map(new)) => counts_otherwise(path, &old.types, &new.types, reasons),
        (Schema::Union(old), Schema::Union(new)) => {
            for (old, new) in old.variants().iter().zip(new.variants()) {
                counts_otherwise(path, old, new, reasons);
            }
        }
        _ if is_whole_number(old) && is_whole_number(new) && discriminant(old) != discriminant(new) => {
            reasons.push(format!("{path} is {new:?}, it was {old:?}"));
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

/// On one line, and not without end.
fn line(text: &str) -> String {
    short(&text.split_whitespace().collect::<Vec<_>>().join(" ")).to_owned()
}
