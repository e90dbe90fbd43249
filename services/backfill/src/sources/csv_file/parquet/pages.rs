//! Bounds of pages. A page declares its size and the number of its values in its header; the decoder allocates what it declares.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;
use kit::SaturatingFrom;
use parquet::basic::{Compression, Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};

/// The memory of an entry of a dictionary of texts, in addition to the text.
const ENTRY_BYTES: u64 = 32;

/// The encodings whose decoder allocates what the content of a page declares: `DELTA_LENGTH_BYTE_ARRAY` and `DELTA_BYTE_ARRAY`.
const UNBOUNDED_ENCODINGS: [i64; 2] = [6, 7];

/// The numbers of the field types of Thrift's compact protocol that headers of pages have.
const STOP: u8 = 0;
const BOOLS: [u8; 2] = [1, 2];
const I32: u8 = 5;
const STRUCT: u8 = 12;

/// The pages of a column of a row group. Reading a header checks what it declares.
pub(super) struct Pages {
    file: Bytes,
    is_gzip: bool,
    is_text: bool,
    /// The number of rows of the row group.
    rows: u64,
    /// The bytes that the remaining pages of the file may have, decompressed.
    left: Arc<AtomicU64>,
    /// The header of the page whose content is read next.
    header: Mutex<Option<Header>>,
}

/// The beginning of the header of a page.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    /// The decompressed bytes.
    bytes: u64,
    /// The bytes of the levels, which are not compressed.
    plain_bytes: u64,
    is_compressed: bool,
    is_dictionary: bool,
    values: u64,
    encoding: i64,
}

impl Pages {
    pub(super) fn new(
        file: Bytes,
        group: &RowGroupMetaData,
        column: &ColumnChunkMetaData,
        left: Arc<AtomicU64>,
    ) -> Self {
        Self {
            file,
            is_gzip: matches!(column.compression(), Compression::GZIP(_)),
            is_text: column.column_type() == Type::BYTE_ARRAY,
            rows: group.num_rows().cast_unsigned(),
            left,
            header: Mutex::default(),
        }
    }

    fn check(&self, header: &Header) -> Result<(), ParquetError> {
        if UNBOUNDED_ENCODINGS.contains(&header.encoding) {
            let text = "the encodings DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY are not read";
            return Err(ParquetError::NYI(text.to_owned()));
        }
        let values_max = if header.is_dictionary { header.bytes } else { self.rows };
        if header.values > values_max {
            let text = format!("a page has {} values, at most {values_max} are expected", header.values);
            return Err(ParquetError::General(text));
        }
        let entries = if header.is_dictionary && self.is_text { header.values } else { 0 };
        let bytes = header.bytes.saturating_add(entries * ENTRY_BYTES);
        let subtract = |left: u64| left.checked_sub(bytes);
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract);
        left.map(|_| ()).map_err(|left| {
            ParquetError::General(format!("a page has {bytes} bytes, and {left} are left of those allowed"))
        })
    }
}

/// Checks that a page has no more bytes than declared: the decoder of gzip reads all.
fn check_gzip(header: &Header, page: &[u8]) -> Result<(), ParquetError> {
    let compressed = page.get(usize::saturating_from(header.plain_bytes)..).unwrap_or_default();
    let mut content = MultiGzDecoder::new(compressed).take(header.bytes + 1);
    let bytes = std::io::copy(&mut content, &mut std::io::sink())?;
    if bytes.saturating_add(header.plain_bytes) > header.bytes {
        return Err(ParquetError::General(format!("a page has more than its {} bytes", header.bytes)));
    }
    Ok(())
}

impl Length for Pages {
    fn len(&self) -> u64 {
        u64::saturating_from(self.file.len())
    }
}

impl ChunkReader for Pages {
    type T = Reader<Bytes>;

    /// Only headers are read so.
    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let start = usize::saturating_from(start);
        let header = self.file.get(start..).and_then(|mut bytes| header(&mut bytes));
        let header = header.ok_or_else(|| ParquetError::General("invalid header of a page".to_owned()))?;
        self.check(&header)?;
        *self.header.lock().unwrap_or_else(PoisonError::into_inner) = Some(header);
        Ok(self.file.slice(start..).reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let start = usize::saturating_from(start);
        let end = start.checked_add(length).filter(|end| *end <= self.file.len());
        let end = end.ok_or_else(|| ParquetError::EOF("a page ends after the file".to_owned()))?;
        let page = self.file.slice(start..end);
        let header = self.header.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(header) = header.filter(|header| self.is_gzip && header.is_compressed) {
            check_gzip(&header, &page)?;
        }
        Ok(page)
    }
}

/// Reads the beginning of a header: its sizes, and those of the struct that its kind of page has. `None` if it is not of this form.
fn header(input: &mut &[u8]) -> Option<Header> {
    let (of_page, kind) = scalars(input, 0)?;
    // 5: a data page, 7: a dictionary, 8: a data page of version 2.
    let kind = kind?;
    // The decoder goes by the type: 0 is a data page, 2 a dictionary, 3 a data page of version 2.
    if !matches!((of_page[1], kind), (0, 5) | (2, 7) | (3, 8)) {
        return None;
    }
    let (of_kind, _) = scalars(input, 1)?;
    let is_v2 = kind == 8;
    let unsigned = |number: i64| u64::try_from(number).ok();
    Some(Header {
        bytes: unsigned(of_page[2])?,
        plain_bytes: if is_v2 { unsigned(of_kind[5])? } else { 0 },
        is_compressed: !is_v2 || of_kind[7] != 0,
        is_dictionary: kind == 7,
        values: unsigned(of_kind[1])?,
        encoding: of_kind[if is_v2 { 4 } else { 2 }],
    })
}

/// Reads the scalar fields of a struct up to its end, or to a field of another type: the values by their ids, and the id of a field that is
/// a struct. Absent fields have the value `absent`.
fn scalars(input: &mut &[u8], absent: i64) -> Option<([i64; 16], Option<usize>)> {
    let (mut values, mut id) = ([absent; 16], 0);
    loop {
        let (head, rest) = input.split_first()?;
        *input = rest;
        let (step, of) = (head >> 4, head & 0x0f);
        id += usize::from(step);
        match of {
            STOP => return Some((values, None)),
            _ if step == 0 => return None,
            STRUCT => return Some((values, Some(id))),
            _ if BOOLS.contains(&of) => *values.get_mut(id)? = i64::from(of == BOOLS[0]),
            I32 => *values.get_mut(id)? = zigzag(input)?,
            _ => return Some((values, None)),
        }
    }
}

/// Reads a number of variable length.
fn zigzag(input: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_declares_the_sizes_of_each_kind_of_page() {
        // A data page of 300 bytes, 250 compressed, with 100 values in the encoding 8, then levels and statistics.
        let data =
            [0x15, 0, 0x15, 0xd8, 4, 0x15, 0xf4, 3, 0x2c, 0x15, 0xc8, 1, 0x15, 16, 0x15, 6, 0x15, 6, 0x1c];
        let expected = Header {
            bytes: 300,
            plain_bytes: 0,
            is_compressed: true,
            is_dictionary: false,
            values: 100,
            encoding: 8,
        };
        assert_eq!(header(&mut &data[..]), Some(expected));
        // With a checksum, and of version 2 without compression: values, nulls, rows, encoding, levels of 6 bytes.
        let v2 = [
            0x15, 6, 0x15, 20, 0x15, 20, 0x15, 99, 0x4c, 0x15, 8, 0x15, 0, 0x15, 8, 0x15, 0, 0x15, 12, 0x15,
            0, 0x12, 0, 0,
        ];
        let found = header(&mut &v2[..]).unwrap();
        assert_eq!((found.bytes, found.plain_bytes, found.values, found.is_compressed), (10, 6, 4, false));
        assert_eq!(header(&mut &data[..7]), None);
        let mut other = data;
        other[1] = 6;
        assert_eq!(
            header(&mut &other[..]),
            None,
            "a page of version 2 that begins with the struct of version 1"
        );
    }

    #[test]
    fn gzip_page_has_no_more_bytes_than_declared() {
        let mut encoder = flate2::write::GzEncoder::new(b"lev".to_vec(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, &[0; 1 << 20]).unwrap();
        let page = encoder.finish().unwrap();
        let declared = |bytes| Header {
            bytes,
            plain_bytes: 3,
            is_compressed: true,
            is_dictionary: false,
            values: 1,
            encoding: 0,
        };
        assert!(check_gzip(&declared((1 << 20) + 3), &page).is_ok());
        let error = check_gzip(&declared(100), &page).unwrap_err().to_string();
        assert!(error.ends_with("a page has more than its 100 bytes"), "{error}");
    }

    #[test]
    fn page_above_what_is_left_is_not_read() {
        let pages = |left| Pages {
            file: Bytes::new(),
            is_gzip: false,
            is_text: true,
            rows: 10,
            left: Arc::new(AtomicU64::new(left)),
            header: Mutex::default(),
        };
        let dictionary = |values, encoding| Header {
            bytes: 100,
            plain_bytes: 0,
            is_compressed: true,
            is_dictionary: true,
            values,
            encoding,
        };
        let error = |left, header: &Header| pages(left).check(header).map_err(|error| error.to_string());
        assert_eq!(error(100 + 64, &dictionary(2, 0)), Ok(()));
        let too_large = error(100 + 63, &dictionary(2, 0)).unwrap_err();
        assert!(too_large.contains("a page has 164 bytes, and 163 are left"), "{too_large}");
        let many = error(u64::MAX, &dictionary(101, 0)).unwrap_err();
        assert!(many.contains("a page has 101 values, at most 100 are expected"), "{many}");
        let rows = error(u64::MAX, &Header { is_dictionary: false, ..dictionary(11, 0) }).unwrap_err();
        assert!(rows.contains("a page has 11 values, at most 10 are expected"), "{rows}");
        assert!(error(u64::MAX, &dictionary(1, 7)).unwrap_err().contains("are not read"));
    }
}
