use super::*;

fn lines(input: &[u8]) -> Vec<(u64, Result<String, String>)> {
    let mut reader = FindingReader::new(input);
    let mut lines = Vec::new();
    while let Some(FindingLine { number, text }) = reader.next_line().unwrap() {
        lines.push((number, text.map_err(|error| error.to_string())));
    }
    assert_eq!(reader.bytes(), input.len() as u64);
    lines
}

fn good(number: u64, text: &str) -> (u64, Result<String, String>) {
    (number, Ok(text.to_owned()))
}

fn bad(number: u64, error: &str) -> (u64, Result<String, String>) {
    (number, Err(error.to_owned()))
}

#[test]
fn bad_byte_costs_its_line_alone() {
    let input = b"{\"a\":1}\n{\"a\":\"caf\xe9\"}\n{\"a\":3}\n";
    assert_eq!(
        lines(input),
        [good(1, "{\"a\":1}"), bad(2, "byte 10 of the line is not UTF-8"), good(3, "{\"a\":3}")]
    );
}

#[test]
fn broken_line_has_one_position() {
    assert_eq!(
        lines(b"\n\n{oops\n\n{\"a\":1}\n"),
        [bad(3, "malformed JSON: key must be a string, column 2"), good(5, "{\"a\":1}")]
    );
    assert_eq!(
        lines(b"[{\"a\":1}]\n")[0],
        bad(1, "an array instead of an object with the fields of an event")
    );
    assert_eq!(lines(b"7\n\"x\"")[1], bad(2, "a string instead of an object with the fields of an event"));
}

#[test]
fn each_line_of_an_indented_object_is_rejected() {
    let lines = lines(b"{\n \"event\": \"scanner.alert.raised\",\n \"metadata\": {}\n}\n");
    let expected = [
        bad(1, "malformed JSON: EOF while parsing an object, column 1"),
        bad(2, "malformed JSON: trailing characters, column 9"),
        bad(3, "malformed JSON: trailing characters, column 12"),
        bad(4, "malformed JSON: expected value, column 1"),
    ];
    assert_eq!(lines, expected);
}

#[test]
fn byte_order_mark_blank_lines_and_crlf_are_skipped() {
    assert_eq!(
        lines(b"\xef\xbb\xbf{\"a\":1}\r\n\r\n  \n{\"a\":2}"),
        [good(1, "{\"a\":1}"), good(4, "{\"a\":2}")]
    );
    assert_eq!(lines(b"\xef\xbb\xbf"), []);
    assert_eq!(lines(b""), []);
    let later = lines(b"{\"a\":1}\n\xef\xbb\xbf{\"a\":2}\n");
    assert_eq!(later[1], good(2, "{\"a\":2}"), "the start of a file that was appended");
}

#[test]
fn too_long_line_is_named_and_not_kept() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LINE_MAX_BYTES));
    let input = format!("{{\"a\":1}}\n{long}\n{{\"a\":3}}\n");
    let mut reader = FindingReader::new(input.as_bytes());
    let texts: Vec<_> = std::iter::from_fn(|| reader.next_line().unwrap()).collect();
    assert_eq!(texts.len(), 3);
    assert_eq!(texts[1].text, Err(LineError::TooLong { bytes: long.len() as u64 }));
    assert!(texts[0].text.is_ok() && texts[2].text.is_ok());
    assert!(reader.line.capacity() <= 2 * LINE_MAX_BYTES, "{}", reader.line.capacity());
    let line = format!("{{\"a\":\"{}\"}}", "x".repeat(LINE_MAX_BYTES - 8));
    assert_eq!(line.len(), LINE_MAX_BYTES);
    assert_eq!(lines(line.as_bytes()), [good(1, &line)]);
}

#[test]
fn other_formats_are_named_as_a_whole() {
    let format = |input: &[u8]| match FindingReader::new(input).next_line() {
        Err(InputError::OtherFormat(format)) => format,
        other => panic!("{other:?}"),
    };
    assert_eq!(format(b"\xff\xfe{\0\n\0"), "UTF-16 text");
    assert_eq!(format(b"{\0\"\0e\0"), "UTF-16 text");
    assert_eq!(format(b"\x1f\x8b\x08\x08"), "compressed (gzip)");
}

#[test]
fn error_of_the_input_follows_the_lines_before_it() {
    struct Failing(bool);

    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("disk failed"));
            }
            buffer[..8].copy_from_slice(b"{\"a\":1}\n");
            Ok(8)
        }
    }

    let mut reader = FindingReader::new(Failing(false));
    assert_eq!(reader.next_line().unwrap().unwrap().number, 1);
    assert!(reader.may_block());
    assert_eq!(reader.next_line().unwrap_err().to_string(), "disk failed");
}
