//! An event's schema, parsed once and made ready to write and read by.

use std::sync::Once;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::starved::Body;
use super::{DecodeError, MAX_PAYLOAD_BYTES};

/// A schema of ours with its writer and reader; lives as long as the process.
pub struct Layout {
    schema: &'static Schema,
    writer: GenericDatumWriter<'static>,
    reader: GenericDatumReader<'static>,
}

impl Layout {
    /// Of a schema that is embedded in this crate.
    pub(crate) fn embedded(text: &str) -> Self {
        bound_allocation();
        let schema = Schema::parse_str(text).expect("embedded schemas parse: a test reads each of them");
        // Kept in a static for the life of the process, as the reader and writer that borrow from it.
        let schema: &'static Schema = Box::leak(Box::new(schema));
        let writer = GenericDatumWriter::builder(schema).build();
        let reader = GenericDatumReader::builder(schema).build();
        Self {
            schema,
            writer: writer
                .expect("embedded schemas refer only to what they define: a test uses each of them"),
            reader: reader
                .expect("embedded schemas refer only to what they define: a test uses each of them"),
        }
    }

    pub(crate) fn schema(&self) -> &'static Schema {
        self.schema
    }

    pub(super) fn write<T: Serialize>(&self, value: &T, out: &mut Vec<u8>) -> apache_avro::AvroResult<()> {
        self.writer.write_ser(out, value).map(drop)
    }

    /// Reads a body that was written with this very schema.
    pub(super) fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, DecodeError> {
        let mut body = Body::of(body);
        // No reader schema here: with one the crate panics (avro-rs #575).
        let read = self.reader.read_deser(&mut body);
        body.finish(read)
    }
}

/// A body of five bytes may claim a string of 500 MiB: no claim is believed beyond the largest payload.
fn bound_allocation() {
    static BOUND: Once = Once::new();
    BOUND.call_once(|| {
        apache_avro::util::max_allocation_bytes(MAX_PAYLOAD_BYTES);
    });
}
