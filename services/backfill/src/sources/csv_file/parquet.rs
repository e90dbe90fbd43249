//! Parquet files. A value becomes the text that a CSV file of the same table has, and a row has the checks and the errors of a CSV row: its
//! number is used instead of the line, and the names of the schema are the header.
//!
//! | module | content |
//! |---|---|
//! | `columns` | values of a column as text |
//! | `pages` | bounds of pages, before they are decompressed |
//!
//! The declared sizes of the columns that are read, the pages, and the text of the rows are bounded like the content of a CSV file.

mod columns;
mod pages;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use kit::SaturatingFrom;
use parquet::errors::ParquetError;
use parquet::file::metadata::{FooterTail, ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::SchemaDescriptor;

use self::columns::{Column, Kind};
use super::error::CsvError;
use super::excerpt::{Excerpt, RangeOfFile};
use super::format::Format;
use super::layout::Layout;
use super::records::Record;
use super::row::{Columns, Row};
use super::rows::Rows;

/// The maximum size of a footer: a description of some thousand columns of row groups. It needs several times its size in memory.
const FOOTER_BYTES_MAX: usize = 1 << 20;

/// The minimum number of bytes of a row in a file of the maximum size: a bar has no shorter row in CSV.
const ROW_BYTES_MIN: u64 = 8;

/// An open file.
struct Table<'t> {
    path: &'t Path,
    bytes: Bytes,
    bytes_max: u64,
    metadata: ParquetMetaData,
}

/// A column that is read: its index among those of a row group, and the kind of its values.
#[derive(Debug, Clone, Copy)]
struct Leaf {
    index: usize,
    kind: Kind,
}

pub(super) fn parse<F: Format>(
    path: &Path,
    bytes: Vec<u8>,
    bytes_max: u64,
    layout: &Layout<'_, F>,
    excerpt: Option<Excerpt>,
) -> Result<RangeOfFile<F::Record>, CsvError> {
    // Decoders panic at some invalid pages.
    let rows = catch_unwind(AssertUnwindSafe(|| {
        let bytes = Bytes::from(bytes);
        let metadata = metadata(&bytes).map_err(|cause| invalid(path, cause))?;
        Table { path, bytes, bytes_max, metadata }.rows(layout, excerpt)
    }));
    rows.unwrap_or_else(|_| Err(invalid(path, ParquetError::General("the decoder panicked".to_owned()))))
}

fn invalid(path: &Path, cause: ParquetError) -> CsvError {
    CsvError::InvalidParquet { path: path.to_path_buf(), cause: Box::new(cause) }
}

fn metadata(bytes: &Bytes) -> Result<ParquetMetaData, ParquetError> {
    let tail = bytes.last_chunk().ok_or_else(|| ParquetError::EOF("it has no footer".to_owned()))?;
    let footer = FooterTail::try_new(tail)?.metadata_length();
    if footer > FOOTER_BYTES_MAX {
        let text = format!("its footer has {footer} bytes, at most {FOOTER_BYTES_MAX} are allowed");
        return Err(ParquetError::General(text));
    }
    ParquetMetaDataReader::new().parse_and_finish(bytes)
}

impl Table<'_> {
    fn rows<F: Format>(
        &self,
        layout: &Layout<'_, F>,
        excerpt: Option<Excerpt>,
    ) -> Result<RangeOfFile<F::Record>, CsvError> {
        let (columns, leaves) = self.columns(layout)?;
        self.check_declared(&leaves)?;
        let left = Arc::new(AtomicU64::new(self.bytes_max));
        let mut rows = Rows::new(layout, excerpt);
        let (mut number, mut text_bytes) = (0, 0);
        let (mut content, mut ends) = (Vec::new(), Vec::new());
        for group in self.metadata.row_groups() {
            let open = |leaf: &Leaf| Column::open(&self.bytes, group, leaf.index, leaf.kind, &left);
            let opened: Result<Vec<_>, _> = leaves.iter().map(open).collect();
            let mut opened = opened.map_err(|cause| invalid(self.path, cause))?;
            for _ in 0..group.num_rows() {
                content.clear();
                ends.clear();
                for column in &mut opened {
                    column.append(&mut content).map_err(|cause| invalid(self.path, cause))?;
                    ends.push(content.len());
                }
                number += 1;
                text_bytes += u64::saturating_from(content.len() + ends.len());
                self.check_size(text_bytes)?;
                rows.add(number, &Row { record: Record::of_fields(&content, &ends), columns: &columns });
            }
        }
        rows.finish(self.path)
    }

    /// Returns the columns that are read, with their indexes among the fields, and the leaves of the schema that have them.
    fn columns<F: Format>(&self, layout: &Layout<'_, F>) -> Result<(Columns, Vec<Leaf>), CsvError> {
        let schema = self.metadata.file_metadata().schema_descr();
        let (mut names, mut ends) = (Vec::new(), Vec::new());
        for field in schema.root_schema().get_fields() {
            names.extend_from_slice(field.name().as_bytes());
            ends.push(names.len());
        }
        let mut columns = layout.header(self.path, None, &Record::of_fields(&names, &ends))?;
        let mut leaves = Vec::new();
        for (column, at) in &mut columns.indexes {
            let Some(root) = *at else { continue };
            *at = Some(leaves.len());
            leaves.push(leaf(schema, root).map_err(|of| {
                let path = self.path.to_path_buf();
                CsvError::OtherType { path, column, of }
            })?);
        }
        columns.count = leaves.len();
        Ok((columns, leaves))
    }

    /// Checks the sizes and the number of rows that the footer declares.
    fn check_declared(&self, leaves: &[Leaf]) -> Result<(), CsvError> {
        let (mut bytes, mut rows) = (0_u64, 0_u64);
        for group in self.metadata.row_groups() {
            rows = rows.saturating_add(group.num_rows().cast_unsigned());
            for leaf in leaves {
                let declared = group.column(leaf.index).uncompressed_size().cast_unsigned();
                bytes = bytes.saturating_add(declared);
            }
        }
        self.check_size(bytes)?;
        self.check_size(rows.saturating_mul(ROW_BYTES_MIN))
    }

    fn check_size(&self, bytes: u64) -> Result<(), CsvError> {
        let (path, max) = (self.path, self.bytes_max);
        if bytes > max { Err(CsvError::TooLarge { path: path.to_path_buf(), bytes, max }) } else { Ok(()) }
    }
}

/// Returns the leaf of a field of the schema, or the type of a field whose values have no text.
fn leaf(schema: &SchemaDescriptor, root: usize) -> Result<Leaf, String> {
    let index = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == root);
    let nested = || "group".to_owned();
    let index = index.ok_or_else(nested)?;
    let column = schema.column(index);
    if column.path().parts().len() != 1 || column.max_rep_level() != 0 {
        return Err(nested());
    }
    let kind = Kind::of(&column).ok_or_else(|| column.physical_type().to_string())?;
    Ok(Leaf { index, kind })
}

#[cfg(test)]
mod tests;
