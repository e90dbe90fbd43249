//! `tapeline dead-letters show`: one dead letter in full.

use chassis::{Clock, SystemClock};
use contracts::catalogue::contract;
use contracts::{Codec, DecodeError, WriterSchemas};
use kafka_io::{KafkaConfig, dead_letter};
use kit::ErrorChain;

use super::args::ShowArgs;
use super::dead_letter::DeadLetter;
use super::filter::Filter;
use super::reader::DeadLetterReader;
use crate::exit::Failure;
use crate::output::{check_writable, escaped, printable_json};

/// Original headers that are shown.
const HEADERS_MAX: usize = 50;

/// Characters of a header name or value that are shown.
const HEADER_CHARACTERS_MAX: usize = 200;

/// Characters of a field that are shown: more than an error that a service writes.
const FIELD_CHARACTERS_MAX: usize = 10_000;

/// Bytes in a line of a dump.
const DUMP_BYTES: usize = 16;

/// Why a payload is not shown decoded.
#[derive(Debug, thiserror::Error)]
enum PayloadError {
    #[error("the original topic is unknown")]
    NoOrigin,
    #[error("the original topic has no events")]
    NoContract,
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Returns the description of the dead letter. Writes its payload to the file of `--save`. Blocks.
///
/// # Errors
/// If the arguments name no single dead letter or it does not exist, the cluster is unreachable, or the file cannot be written.
pub fn run(args: &ShowArgs, kafka: &KafkaConfig, writers: &dyn WriterSchemas) -> Result<String, Failure> {
    let filter = Filter::new(&args.filter, SystemClock::new().wall_micros().div_euclid(1_000));
    let position = filter.position()?.ok_or_else(|| {
        Failure::usage("no dead letter named: --service, --partition and --offset are required, see `list`")
    })?;
    if let Some(path) = &args.save {
        check_writable(path).map_err(|error| Failure::file("write", path, error))?;
    }
    let dead_letter = DeadLetterReader::read_one(kafka, position)?;
    if let Some(path) = &args.save {
        std::fs::write(path, dead_letter.record().payload.as_deref().unwrap_or_default())
            .map_err(|error| Failure::file("write", path, error))?;
    }
    Ok(page(&dead_letter, writers, args.bytes))
}

fn page(dead_letter: &DeadLetter, writers: &dyn WriterSchemas, dump_max_bytes: usize) -> String {
    let record = dead_letter.record();
    let mut page = String::new();
    let mut field = |name: &str, value: String| {
        page.push_str(&format!("{name:<12} {}\n", escaped(&value, FIELD_CHARACTERS_MAX)));
    };
    field("dead letter", dead_letter.position().to_string());
    field("written", dead_letter.time().to_string());
    field("service", dead_letter.service());
    field("class", dead_letter.class());
    field("error", dead_letter.error());
    field("attempts", dead_letter.header(dead_letter::ATTEMPTS).unwrap_or_default());
    field("epoch", dead_letter.header(dead_letter::EPOCH).unwrap_or_else(|| "none".to_owned()));
    field("generation", dead_letter.generation().to_string());
    field("original", dead_letter.original_position());
    field("appended", dead_letter.original_time().unwrap_or_default());
    field("schema id", dead_letter.schema_id().map_or_else(|| "none".to_owned(), |id| id.to_string()));
    field("key", dead_letter.key().map_or_else(|| "none".to_owned(), |key| format!("{key:?}")));
    if dead_letter.is_truncated() {
        field("truncated", "the original bytes are missing".to_owned());
    }
    page.push_str(&headers(dead_letter));
    let payload = record.payload.as_deref().unwrap_or_default();
    match decoded(dead_letter, writers) {
        Ok(json) => {
            let json = format!("{json:#}");
            let json = printable_json(&json);
            page.push_str(&format!("payload      {} bytes, decoded:\n{json}\n", payload.len()));
        }
        Err(error) => {
            let cause = escaped(&ErrorChain(&error).to_string(), FIELD_CHARACTERS_MAX);
            page.push_str(&format!("payload      {} bytes, not decoded: {cause}\n", payload.len()));
            page.push_str(&dump(payload, dump_max_bytes));
        }
    }
    page
}

/// Returns the original headers, and those of Tapeline that are not among the fields above, such as the hash of an omitted payload.
fn headers(dead_letter: &DeadLetter) -> String {
    let shown_above = [
        dead_letter::TOPIC,
        dead_letter::PARTITION,
        dead_letter::OFFSET,
        dead_letter::TIMESTAMP,
        dead_letter::SCHEMA_ID,
        dead_letter::ERROR_CLASS,
        dead_letter::ERROR,
        dead_letter::ATTEMPTS,
        dead_letter::SERVICE,
        dead_letter::EPOCH,
        dead_letter::GENERATION,
    ];
    let others: Vec<_> = dead_letter
        .record()
        .headers
        .iter()
        .filter(|(name, _)| !shown_above.contains(&name.as_str()))
        .collect();
    let mut text = format!("headers      {}\n", others.len());
    for (name, value) in others.iter().take(HEADERS_MAX) {
        let shown: String = String::from_utf8_lossy(value).chars().take(HEADER_CHARACTERS_MAX).collect();
        let cut =
            if value.len() > shown.len() { format!(" … {} bytes", value.len()) } else { String::new() };
        let name: String = name.chars().take(HEADER_CHARACTERS_MAX).collect();
        text.push_str(&format!("  {name:?}: {shown:?}{cut}\n"));
    }
    if others.len() > HEADERS_MAX {
        text.push_str(&format!("  … and {} more\n", others.len() - HEADERS_MAX));
    }
    text
}

fn decoded(dead_letter: &DeadLetter, writers: &dyn WriterSchemas) -> Result<serde_json::Value, PayloadError> {
    let origin = dead_letter.origin().ok_or(PayloadError::NoOrigin)?;
    let contract = contract(origin.topic).ok_or(PayloadError::NoContract)?;
    let payload = dead_letter.record().payload.as_deref();
    Ok(contract.decode_to_json(&Codec::new(), payload, writers)?)
}

/// Returns lines of offset, bytes in hex, and printable characters.
fn dump(bytes: &[u8], bytes_max: usize) -> String {
    let mut text = String::new();
    for (i, line) in bytes[..bytes.len().min(bytes_max)].chunks(DUMP_BYTES).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let printable = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        let characters: String = line.iter().map(printable).collect();
        text.push_str(&format!("  {:06x}  {:<47}  {characters}\n", i * DUMP_BYTES, hex.join(" ")));
    }
    if bytes.len() > bytes_max {
        text.push_str(&format!("  … and {} bytes more\n", bytes.len() - bytes_max));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::dead_letter;
    use super::*;
    use contracts::Topic;
    use testkit::OwnSchemas;

    #[test]
    fn decodable_payload_is_shown_as_json_even_if_invalid() {
        let json = include_str!("../../../../../schemas/market.gap.detected/examples/bars_of_a_week.json");
        let json = json.replacen("\"source\": \"", "\"source\": \"\\u009b2J\\u202e", 1);
        let (mut payload, id) = (Vec::new(), OwnSchemas::ids()[&Topic::GapDetected]);
        contract(Topic::GapDetected).unwrap().encode_from_json(json.as_bytes(), id, &mut payload).unwrap();
        let dead_letter = dead_letter(|record| {
            record.payload = Some(payload.clone());
            record.headers[0].1 = Topic::GapDetected.name().into();
        });
        let page = page(&dead_letter, &OwnSchemas, 64);
        for part in [
            "bytes, decoded:",
            "\"gap_start\"",
            r#""source": "\u009b2J\u202e"#,
            "class        bad_magic",
            "\"custom\": \"kept\"",
            "headers      1\n",
        ] {
            assert!(page.contains(part), "{part} in\n{page}");
        }
    }

    #[test]
    fn undecodable_payload_is_dumped_up_to_the_limit() {
        let page = page(
            &dead_letter(|record| record.payload = Some([b"\tA".as_slice(), &[0xff; 98]].concat())),
            &OwnSchemas,
            32,
        );
        for part in [
            "100 bytes, not decoded: first byte is 9",
            "  000000  09 41 ff",
            ".A....",
            "  000010  ff",
            "and 68 bytes more",
        ] {
            assert!(page.contains(part), "{part} in\n{page}");
        }
        assert!(!page.contains("000020"), "{page}");
    }

    #[test]
    fn output_is_bounded_for_many_and_large_headers() {
        let page = page(
            &dead_letter(|record| {
                record.headers.extend((0..10_000).map(|n| (format!("h{n}"), vec![b'x'; 3])));
                record.headers.insert(0, ("big".to_owned(), vec![b'y'; 1 << 20]));
            }),
            &OwnSchemas,
            32,
        );
        assert!(page.len() < 20_000, "{}", page.len());
        assert!(page.contains("1048576 bytes") && page.contains("and 9952 more"), "{page}");
    }
}
