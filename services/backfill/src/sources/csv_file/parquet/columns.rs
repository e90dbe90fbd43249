//! Values of a column as text.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use kit::SaturatingFrom;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::ReaderProperties;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescriptor;

use super::pages::Pages;

/// The meaning of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Unsigned,
    Text,
    /// The number of digits after the point.
    Decimal(u32),
    /// In days since 1970.
    Date,
    /// In parts of a second since 1970.
    Time {
        parts: i64,
        /// Otherwise it is a local time, without an offset.
        is_utc: bool,
    },
}

/// A column of a row group, at its next value.
pub(super) struct Column {
    values: ColumnReader,
    kind: Kind,
}

// === impl Kind ===

impl Kind {
    /// Returns the kind of a column. `None` if its values have no text.
    pub(super) fn of(column: &ColumnDescriptor) -> Option<Self> {
        let converted = column.converted_type();
        let is_decimal = converted == ConvertedType::DECIMAL
            || matches!(column.logical_type_ref(), Some(LogicalType::Decimal(_)));
        if is_decimal {
            return u32::try_from(column.type_scale()).ok().map(Self::Decimal);
        }
        match (column.physical_type(), column.logical_type_ref(), converted) {
            (Type::INT32, Some(LogicalType::Date), _) | (Type::INT32, None, ConvertedType::DATE) => {
                Some(Self::Date)
            }
            (Type::INT64, Some(LogicalType::Timestamp(of)), _) => {
                Some(Self::Time { parts: parts(&of.unit), is_utc: of.is_adjusted_to_u_t_c })
            }
            (Type::INT64, None, ConvertedType::TIMESTAMP_MILLIS) => {
                Some(Self::Time { parts: 1_000, is_utc: true })
            }
            (Type::INT64, None, ConvertedType::TIMESTAMP_MICROS) => {
                Some(Self::Time { parts: 1_000_000, is_utc: true })
            }
            (Type::INT32 | Type::INT64, Some(LogicalType::Integer(of)), _) if !of.is_signed => {
                Some(Self::Unsigned)
            }
            (
                Type::INT32 | Type::INT64,
                None,
                ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64,
            ) => Some(Self::Unsigned),
            (Type::INT32 | Type::INT64, None | Some(LogicalType::Integer(_)), converted) => {
                let is_time = matches!(converted, ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS);
                (!is_time).then_some(Self::Number)
            }
            (Type::FLOAT | Type::DOUBLE, ..) => Some(Self::Number),
            (Type::BYTE_ARRAY, None | Some(LogicalType::String | LogicalType::Enum), converted) => {
                (converted != ConvertedType::BSON).then_some(Self::Text)
            }
            _ => None,
        }
    }
}

const fn parts(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1_000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => 1_000_000_000,
    }
}

// === impl Column ===

impl Column {
    pub(super) fn open(
        file: &Bytes,
        group: &RowGroupMetaData,
        index: usize,
        kind: Kind,
        left: &Arc<AtomicU64>,
    ) -> Result<Self, ParquetError> {
        let column = group.column(index);
        let pages = Arc::new(Pages::new(file.clone(), group, column, left.clone()));
        // The fallback decompresses without a bound.
        let properties = ReaderProperties::builder().set_backward_compatible_lz4(false).build();
        let rows = usize::saturating_from(group.num_rows().cast_unsigned());
        let pages =
            SerializedPageReader::new_with_properties(pages, column, rows, None, Arc::new(properties))?;
        let values = get_column_reader(column.column_descr_ptr(), Box::new(pages));
        Ok(Self { values, kind })
    }

    /// Appends the text of the next value, none of a null.
    pub(super) fn append(&mut self, text: &mut Vec<u8>) -> Result<(), ParquetError> {
        use ColumnReader as Of;
        let kind = self.kind;
        match &mut self.values {
            Of::Int32ColumnReader(values) => match (next(values)?, kind) {
                (Some(value), Kind::Unsigned) => write!(text, "{}", value.cast_unsigned())?,
                (Some(value), _) => append_integer(text, value.into(), kind)?,
                (None, _) => {}
            },
            Of::Int64ColumnReader(values) => match (next(values)?, kind) {
                (Some(value), Kind::Unsigned) => write!(text, "{}", value.cast_unsigned())?,
                (Some(value), _) => append_integer(text, value, kind)?,
                (None, _) => {}
            },
            Of::FloatColumnReader(values) => next(values)?.map_or(Ok(()), |value| write!(text, "{value}"))?,
            Of::DoubleColumnReader(values) => {
                next(values)?.map_or(Ok(()), |value| write!(text, "{value}"))?
            }
            Of::ByteArrayColumnReader(values) => match (next(values)?, kind) {
                (Some(value), Kind::Decimal(scale)) => append_big_decimal(text, value.data(), scale)?,
                (Some(value), _) => text.extend_from_slice(value.data()),
                (None, _) => {}
            },
            Of::FixedLenByteArrayColumnReader(values) => match (next(values)?, kind) {
                (Some(value), Kind::Decimal(scale)) => append_big_decimal(text, value.data(), scale)?,
                (Some(value), _) => text.extend_from_slice(value.data()),
                (None, _) => {}
            },
            // They are of no kind.
            Of::BoolColumnReader(_) | Of::Int96ColumnReader(_) => {}
        }
        Ok(())
    }
}

/// Returns the next value. `None` for a null.
fn next<T: DataType>(column: &mut ColumnReaderImpl<T>) -> Result<Option<T::T>, ParquetError> {
    let (mut levels, mut values) = (Vec::new(), Vec::with_capacity(1));
    match column.read_records(1, Some(&mut levels), None, &mut values)? {
        (0, ..) => Err(ParquetError::EOF("a column has fewer values than rows".to_owned())),
        _ => Ok(values.pop()),
    }
}

fn append_integer(text: &mut Vec<u8>, value: i64, kind: Kind) -> std::io::Result<()> {
    match kind {
        Kind::Decimal(scale) => return append_decimal(text, value.into(), scale),
        Kind::Date => {
            let date =
                Span::new().try_days(value).and_then(|days| Date::constant(1970, 1, 1).checked_add(days));
            if let Ok(date) = date {
                return write!(text, "{date}");
            }
        }
        Kind::Time { parts, is_utc } => {
            let nanos = i128::from(value) * i128::from(1_000_000_000 / parts);
            if let Ok(time) = Timestamp::from_nanosecond(nanos) {
                return match is_utc {
                    true => write!(text, "{time}"),
                    false => write!(text, "{}", TimeZone::UTC.to_datetime(time)),
                };
            }
        }
        Kind::Number | Kind::Unsigned | Kind::Text => {}
    }
    // A date or time out of range is an error of its row.
    write!(text, "{value}")
}

/// Appends an integer in two's complement, with the most significant byte first.
fn append_big_decimal(text: &mut Vec<u8>, bytes: &[u8], scale: u32) -> Result<(), ParquetError> {
    let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { 0xff } else { 0 };
    let mut digits = [sign; 16];
    let start = digits.len().checked_sub(bytes.len());
    let start = start.ok_or_else(|| ParquetError::NYI(format!("a decimal of {} bytes", bytes.len())))?;
    digits[start..].copy_from_slice(bytes);
    Ok(append_decimal(text, i128::from_be_bytes(digits), scale)?)
}

fn append_decimal(text: &mut Vec<u8>, value: i128, scale: u32) -> std::io::Result<()> {
    let sign = if value < 0 { "-" } else { "" };
    let Some(one) = 10_u128.checked_pow(scale).filter(|one| *one > 1) else {
        return write!(text, "{value}e-{scale}");
    };
    let (whole, part) = (value.unsigned_abs() / one, value.unsigned_abs() % one);
    write!(text, "{sign}{whole}.{part:0width$}", width = usize::saturating_from(u64::from(scale)))
}
