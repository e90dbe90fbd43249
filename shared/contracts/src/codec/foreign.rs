//! Bodies that were written with another schema than ours.

use std::mem::discriminant;
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::Name;
use apache_avro::schema_compatibility::SchemaCompatibility;
use serde::de::DeserializeOwned;

use super::DecodeError;
use super::layout::Layout;
use super::starved::Body;
use crate::rules::short;

/// A writer's schema that differs from ours and can be resolved to it.
pub(super) struct Foreign {
    writer: Arc<Schema>,
}

impl Foreign {
    /// None when the writer lays bytes out as we do: whatever its id, documentation and defaults, it reads as ours.
    pub(super) fn of(id: u32, writer: Arc<Schema>, ours: &Schema) -> Result<Option<Self>, DecodeError> {
        let name = |schema: &Schema| {
            schema.name().map_or_else(|| "no record".to_owned(), |name| name.fullname(None))
        };
        if name(&writer) != name(ours) {
            return Err(DecodeError::WrongSubject { id, found: name(&writer), expected: name(ours) });
        }
        if same_layout(&writer, ours) {
            return Ok(None);
        }
        let incompatible =
            |cause: &str| DecodeError::IncompatibleSchema { id, cause: short(cause).to_owned() };
        if is_recursive(&writer, &mut Vec::new()) {
            return Err(incompatible("it contains itself, so that a body could be nested without end"));
        }
        match SchemaCompatibility::can_read(&writer, ours) {
            Ok(_) => Ok(Some(Self { writer })),
            Err(error) => Err(incompatible(&error.to_string())),
        }
    }

    /// Reads a body by the writer's schema and resolves it to ours.
    pub(super) fn read<T: DeserializeOwned>(&self, body: &[u8], ours: &Layout) -> Result<T, DecodeError> {
        let malformed = |error: apache_avro::Error| DecodeError::Malformed {
            cause: short(&error.to_string()).to_owned(),
        };
        let mut body = Body::of(body);
        // Made anew for each body: it borrows from the schema, and takes a tenth of the time that the value takes.
        let reader = GenericDatumReader::builder(&self.writer).build().map_err(malformed)?;
        let read = reader.read_value(&mut body);
        let value = body.finish(read)?;
        let resolved = value.resolve(ours.schema()).map_err(malformed)?;
        apache_avro::from_value(&resolved).map_err(malformed)
    }
}

/// Whether both lay the same bytes out for the same value: names, order of fields and symbols, and what numbers count.
///
/// The canonical form isn't enough: it forgets logical types, and a writer's milliseconds would be read as microseconds.
fn same_layout(a: &Schema, b: &Schema) -> bool {
    match (a, b) {
        (Schema::Record(a), Schema::Record(b)) => {
            a.name == b.name
                && a.fields.len() == b.fields.len()
                && a.fields
                    .iter()
                    .zip(&b.fields)
                    .all(|(a, b)| a.name == b.name && same_layout(&a.schema, &b.schema))
        }
        (Schema::Enum(a), Schema::Enum(b)) => a.name == b.name && a.symbols == b.symbols,
        (Schema::Array(a), Schema::Array(b)) => same_layout(&a.items, &b.items),
        (Schema::Map(a), Schema::Map(b)) => same_layout(&a.types, &b.types),
        (Schema::Union(a), Schema::Union(b)) => {
            a.variants().len() == b.variants().len()
                && a.variants().iter().zip(b.variants()).all(|(a, b)| same_layout(a, b))
        }
        (Schema::Ref { name: a }, Schema::Ref { name: b }) => a == b,
        // None of our schemas holds these, so nothing else about them needs comparing.
        (Schema::Fixed(_) | Schema::Decimal(_) | Schema::Duration(_) | Schema::Uuid(_), _) => false,
        (a, b) => discriminant(a) == discriminant(b),
    }
}

/// Whether a named type is used within its own definition.
fn is_recursive(schema: &Schema, open: &mut Vec<Name>) -> bool {
    match schema {
        Schema::Ref { name } => open.contains(name),
        Schema::Record(record) => {
            open.push(record.name.clone());
            let recursive = record.fields.iter().any(|field| is_recursive(&field.schema, open));
            open.pop();
            recursive
        }
        Schema::Array(array) => is_recursive(&array.items, open),
        Schema::Map(map) => is_recursive(&map.types, open),
        Schema::Union(union) => union.variants().iter().any(|variant| is_recursive(variant, open)),
        _ => false,
    }
}
