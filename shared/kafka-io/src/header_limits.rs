//! Limits of a record's headers. Kafka bounds only the record's size, and a compressed batch of a few KB may expand to MBs of headers.

use crate::record::Headers;

/// The error class of a record whose headers exceed the limits.
pub(crate) const BAD_HEADERS: &str = "bad_headers";

/// Headers per record: far more than traces, baggage and connectors add.
const HEADERS_MAX: usize = 1_000;

/// Bytes of all names and values.
const HEADERS_MAX_BYTES: usize = 256 << 10;

/// The headers of a record exceed a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("headers: more than {HEADERS_MAX}")]
    Many,
    #[error("headers: more than {HEADERS_MAX_BYTES} bytes in all")]
    Large,
}

/// Checks headers up to the first one that exceeds a limit.
pub(crate) fn check(headers: Headers<'_>) -> Result<(), HeaderError> {
    let mut bytes = 0;
    for (number, (name, value)) in headers.iter().enumerate() {
        bytes += name.len() + value.len();
        if number >= HEADERS_MAX {
            return Err(HeaderError::Many);
        }
        if bytes > HEADERS_MAX_BYTES {
            return Err(HeaderError::Large);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_bounded_by_count_and_by_bytes() {
        let of = |count: usize, bytes: usize| {
            let headers = vec![("h".to_owned(), vec![0; bytes]); count];
            check(Headers::listed(&headers))
        };
        assert_eq!((of(0, 0), of(HEADERS_MAX, 10)), (Ok(()), Ok(())));
        assert_eq!(of(HEADERS_MAX + 1, 0), Err(HeaderError::Many));
        assert_eq!(of(1, HEADERS_MAX_BYTES - 1), Ok(()));
        assert_eq!(of(1, HEADERS_MAX_BYTES), Err(HeaderError::Large));
    }
}
