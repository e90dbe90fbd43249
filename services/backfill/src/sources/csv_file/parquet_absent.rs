//! The function of `parquet.rs` in a build without the feature `parquet`. A configuration that reads such files is rejected.

use std::path::Path;

use super::error::CsvError;
use super::excerpt::{Excerpt, RangeOfFile};
use super::format::Format;
use super::layout::Layout;

pub(super) fn parse<F: Format>(
    path: &Path,
    _bytes: Vec<u8>,
    _bytes_max: u64,
    _layout: &Layout<'_, F>,
    _excerpt: Option<Excerpt>,
) -> Result<RangeOfFile<F::Record>, CsvError> {
    let cause = "this build lacks the feature `parquet`".into();
    Err(CsvError::InvalidParquet { path: path.to_path_buf(), cause })
}
