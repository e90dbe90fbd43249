//! Avro schema resolution: bodies that were written with another schema than the embedded one.

use std::mem::discriminant;
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::Name;
use apache_avro::schema_compatibility::SchemaCompatibility;
use serde::de::DeserializeOwned;

use crate::body::BodyReader;
use crate::error::DecodeError;
use crate::rules::short;
use crate::schema_codec::SchemaCodec;

/// A writer schema that differs from the embedded schema and can be resolved to it.
pub(super) struct SchemaResolution {
    writer: Arc<Schema>,
}

impl SchemaResolution {
    /// Compares a writer schema with the embedded one. `None` if both encode a value as the same bytes, whatever their ids,
    /// documentation and defaults.
    pub(super) fn new(id: u32, writer: Arc<Schema>, embedded: &Schema) -> Result<Option<Self>, DecodeError> {
        let name = |schema: &Schema| {
            schema.name().map_or_else(|| "no record".to_owned(), |name| name.fullname(None))
        };
        if name(&writer) != name(embedded) {
            return Err(DecodeError::WrongSubject { id, found: name(&writer), expected: name(embedded) });
        }
        if has_same_encoding(&writer, embedded) {
            return Ok(None);
        }
        let incompatible =
            |cause: &str| DecodeError::IncompatibleSchema { id, cause: short(cause).to_owned() };
        if is_recursive(&writer, &mut Vec::new()) {
            return Err(incompatible("recursive type: the nesting of a body would be unlimited"));
        }
        match SchemaCompatibility::can_read(&writer, embedded) {
            Ok(_) => Ok(Some(Self { writer })),
            Err(error) => Err(incompatible(&error.to_string())),
        }
    }

    /// Reads a body with the writer schema and resolves it to the embedded schema.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        body: &[u8],
        embedded: &SchemaCodec,
    ) -> Result<T, DecodeError> {
        let malformed = |error: apache_avro::Error| DecodeError::Malformed {
            cause: short(&error.to_string()).to_owned(),
        };
        let mut body = BodyReader::new(body);
        // Built per body because it borrows from the schema; that takes a tenth of the time of reading the value.
        let reader = GenericDatumReader::builder(&self.writer).build().map_err(malformed)?;
        let read = reader.read_value(&mut body);
        let value = body.finish(read)?;
        let resolved = value.resolve(embedded.schema()).map_err(malformed)?;
        apache_avro::from_value(&resolved).map_err(malformed)
    }
}

/// `true` if both schemas encode a value as the same bytes: equal names, order of fields and symbols, and logical types.
///
/// Parsing Canonical Form is not sufficient: it omits logical types, and a writer's milliseconds would be read as microseconds.
fn has_same_encoding(a: &Schema, b: &Schema) -> bool {
    match (a, b) {
        (Schema::Record(a), Schema::Record(b)) => {
            a.name == b.name
                && a.fields.len() == b.fields.len()
                && a.fields
                    .iter()
                    .zip(&b.fields)
                    .all(|(a, b)| a.name == b.name && has_same_encoding(&a.schema, &b.schema))
        }
        (Schema::Enum(a), Schema::Enum(b)) => a.name == b.name && a.symbols == b.symbols,
        (Schema::Array(a), Schema::Array(b)) => has_same_encoding(&a.items, &b.items),
        (Schema::Map(a), Schema::Map(b)) => has_same_encoding(&a.types, &b.types),
        (Schema::Union(a), Schema::Union(b)) => {
            a.variants().len() == b.variants().len()
                && a.variants().iter().zip(b.variants()).all(|(a, b)| has_same_encoding(a, b))
        }
        (Schema::Ref { name: a }, Schema::Ref { name: b }) => a == b,
        // No embedded schema contains these types, so they are not compared in detail.
        (Schema::Fixed(_) | Schema::Decimal(_) | Schema::Duration(_) | Schema::Uuid(_), _) => false,
        (a, b) => discriminant(a) == discriminant(b),
    }
}

/// `true` if a named type is used within its own definition.
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
