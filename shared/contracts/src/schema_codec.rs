//! Avro reader and writer of a schema that is embedded in this crate.

use std::sync::Once;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::body::BodyReader;
use crate::bounds::PAYLOAD_BYTES_MAX;
use crate::error::DecodeError;

/// A parsed schema with its writer and reader. It exists until the process ends.
pub struct SchemaCodec {
    schema: &'static Schema,
    writer: GenericDatumWriter<'static>,
    reader: GenericDatumReader<'static>,
}

impl SchemaCodec {
    /// Parses an embedded schema.
    pub(crate) fn embedded(text: &str) -> Self {
        bound_allocation();
        let schema = Schema::parse_str(text).expect("embedded schemas parse: a test reads each of them");
        // Leaked once per event type: the reader and the writer borrow from it in the same static.
        let schema: &'static Schema = Box::leak(Box::new(schema));
        let writer = GenericDatumWriter::builder(schema).build();
        let reader = GenericDatumReader::builder(schema).build();
        Self {
            schema,
            writer: writer
                .expect("embedded schemas refer only to types that they define: a test uses each of them"),
            reader: reader
                .expect("embedded schemas refer only to types that they define: a test uses each of them"),
        }
    }

    pub(crate) fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// Appends the Avro body of `value` to `out`.
    pub(crate) fn write<T: Serialize>(&self, value: &T, out: &mut Vec<u8>) -> apache_avro::AvroResult<()> {
        self.writer.write_ser(out, value).map(drop)
    }

    /// Reads a body that was written with this schema.
    pub(crate) fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, DecodeError> {
        let mut body = BodyReader::new(body);
        // Without a reader schema: with one, apache-avro panics (avro-rs #575).
        let read = self.reader.read_deser(&mut body);
        body.finish(read)
    }
}

/// Limits allocations to the largest payload: a body of five bytes can declare a string of 500 MiB.
fn bound_allocation() {
    static BOUND: Once = Once::new();
    BOUND.call_once(|| {
        apache_avro::util::max_allocation_bytes(PAYLOAD_BYTES_MAX);
    });
}
