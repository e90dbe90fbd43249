//! Text of the file: encodings, ends of lines and malformed TOML.

use super::*;

fn load_bytes(file: &[u8]) -> Result<Bridge, ConfigErrors> {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(file).unwrap();
    load("BRIDGE", Some(written.path()), std::iter::empty())
}

#[test]
fn byte_order_mark_and_crlf_are_accepted() {
    for file in ["\u{feff}[kafka]\nbrokers = [\"a:1\"]\n", "[kafka]\r\nbrokers = [\"a:1\"]\r\n"] {
        assert_eq!(load_bytes(file.as_bytes()).unwrap().kafka.brokers, ["a:1"], "{file:?}");
    }
}

#[test]
fn invalid_text_is_reported_with_its_line() {
    let cases = [
        (&b"[kafka]\nrack = \"caf\xe9\"\n"[..], "line 2 (", ": the file must be UTF-8"),
        (b"\xff\xfe[\0", "line 1 (", ": the file must be UTF-8"),
        (b"[kafka]\nrack = \"a\"\nrack = \"b\"\n", "line 3 (", ": invalid TOML: duplicate key"),
        (b"[kafka]\r\n\r\nrack = \"a\r\n", "line 3 (", ": invalid TOML: "),
    ];
    for (file, start, end) in cases {
        let lines = lines_of(load_bytes(file));
        assert!(lines.len() == 1 && lines[0].starts_with(start) && lines[0].contains(end), "{lines:?}");
    }
}
