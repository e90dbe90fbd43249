//! Formats of files that are no text in UTF-8, by their first bytes.

/// The first bytes of each format.
const FORMATS: [(&[u8], &str); 7] = [
    (&[0xff, 0xfe], UTF_16),
    (&[0xfe, 0xff], UTF_16),
    (&[0x1f, 0x8b], "compressed (gzip)"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "compressed (zstd)"),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "compressed (xz)"),
    (b"BZh", "compressed (bzip2)"),
    (b"PK\x03\x04", "a zip archive"),
];

const UTF_16: &str = "UTF-16 text";

/// Returns the format of a file with this content or start of its content, `None` if it may be text in UTF-8.
///
/// ```
/// use kit::file_format;
///
/// assert_eq!(file_format::of(b"\x1f\x8b\x08"), Some("compressed (gzip)"));
/// assert_eq!(file_format::of(b"d\0a\0t\0e\0"), Some("UTF-16 text"));
/// assert_eq!(file_format::of(b"date,open"), None);
/// ```
#[must_use]
pub fn of(start: &[u8]) -> Option<&'static str> {
    let known = FORMATS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, format)| *format);
    known.or_else(|| is_utf_16(start).then_some(UTF_16))
}

/// Returns whether the content begins with two characters of ASCII in UTF-16. A byte order mark may be missing.
fn is_utf_16(start: &[u8]) -> bool {
    match *start {
        [first, 0, second, 0, ..] | [0, first, 0, second, ..] => first != 0 && second != 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_16_is_recognized_with_and_without_a_mark() {
        for text in ["\u{feff}date", "date"] {
            let units = || text.encode_utf16();
            let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
            assert_eq!((of(&little), of(&big)), (Some(UTF_16), Some(UTF_16)), "{text:?}");
        }
    }

    #[test]
    fn text_and_nul_bytes_are_no_format() {
        for content in
            [&b""[..], b"{", b"\xef\xbb\xbfdate", b"\0\0\0\0", b"a\0", b"PK,open", b"\0\x05\x16\x07"]
        {
            assert_eq!(of(content), None, "{content:?}");
        }
    }
}
