//! `tapeline dead-letters show`: everything of one letter.

use contracts::catalogue::contract;
use contracts::{Codec, WriterSchemas};
use kafka_io::{KafkaConfig, dead_letter};

use super::args::ShowArgs;
use super::filter::Filter;
use super::letter::Letter;
use super::letters::Letters;
use super::now_ms;
use crate::exit::Failure;

/// How many of a record's own headers are shown, and how much of each.
const HEADERS_SHOWN: usize = 50;
const HEADER_CHARACTERS: usize = 200;

/// Bytes in a line of a dump.
const DUMP_BYTES: usize = 16;

/// The letter's page; its payload goes to the file that was asked for. Blocks.
///
/// # Errors
/// When the letter isn't named by its place or not there, the cluster can't be reached, or the file not written.
pub fn run(args: &ShowArgs, kafka: &KafkaConfig, writers: &dyn WriterSchemas) -> Result<String, Failure> {
    let filter = Filter::new(&args.filter, now_ms());
    let place = filter.place()?.ok_or_else(|| {
        Failure::Usage(
            "which letter? give --service, --partition and --offset, as `list` shows them".to_owned(),
        )
    })?;
    let letter = Letters::one(kafka, place)?;
    if let Some(path) = &args.save {
        std::fs::write(path, letter.record().payload.as_deref().unwrap_or_default())
            .map_err(|e| Failure::Usage(format!("{}: {e}", path.display())))?;
    }
    Ok(page(&letter, writers, args.bytes))
}

fn page(letter: &Letter, writers: &dyn WriterSchemas, dump_max_bytes: usize) -> String {
    let record = letter.record();
    let mut page = String::new();
    let mut field = |name: &str, value: String| page.push_str(&format!("{name:<12} {value}\n"));
    field("letter", letter.place());
    field("written", letter.time().to_string());
    field("service", letter.service());
    field("class", letter.class());
    field("error", letter.error());
    field("attempts", letter.header(dead_letter::ATTEMPTS).unwrap_or_default());
    field("epoch", letter.header(dead_letter::EPOCH).unwrap_or_else(|| "none".to_owned()));
    field("generation", letter.generation().to_string());
    field("original", letter.original_place());
    let appended = letter.to_json()["original_time"].as_str().unwrap_or_default().to_owned();
    field("appended", appended);
    field("schema id", letter.schema_id().map_or_else(|| "none".to_owned(), |id| id.to_string()));
    field("key", letter.key().map_or_else(|| "none".to_owned(), |key| format!("{key:?}")));
    if letter.is_truncated() {
        field("truncated", "the letter doesn't hold the record's bytes".to_owned());
    }
    page.push_str(&headers(letter));
    let payload = record.payload.as_deref().unwrap_or_default();
    match decoded(letter, writers) {
        Ok(json) => {
            page.push_str(&format!("payload      {} bytes, decoded:\n{json:#}\n", payload.len()));
        }
        Err(cause) => {
            page.push_str(&format!("payload      {} bytes, not decoded: {cause}\n", payload.len()));
            page.push_str(&dump(payload, dump_max_bytes));
        }
    }
    page
}

/// The record's own headers; what is ours beside the fields above (a hash of a payload that was left out) is shown as well.
fn headers(letter: &Letter) -> String {
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
    let rest: Vec<_> =
        letter.record().headers.iter().filter(|(name, _)| !shown_above.contains(&name.as_str())).collect();
    let mut text = format!("headers      {}\n", rest.len());
    for (name, value) in rest.iter().take(HEADERS_SHOWN) {
        let shown: String = String::from_utf8_lossy(value).chars().take(HEADER_CHARACTERS).collect();
        let cut =
            if value.len() > shown.len() { format!(" … {} bytes", value.len()) } else { String::new() };
        let name: String = name.chars().take(HEADER_CHARACTERS).collect();
        text.push_str(&format!("  {name:?}: {shown:?}{cut}\n"));
    }
    if rest.len() > HEADERS_SHOWN {
        text.push_str(&format!("  … and {} more\n", rest.len() - HEADERS_SHOWN));
    }
    text
}

fn decoded(letter: &Letter, writers: &dyn WriterSchemas) -> Result<serde_json::Value, String> {
    let origin = letter.origin().ok_or("the letter names no topic of events")?;
    let contract = contract(origin.topic).ok_or("its topic holds no events")?;
    let payload = letter.record().payload.as_deref();
    contract.decode_to_json(&Codec::new(), payload, writers).map_err(|fault| fault.to_string())
}

/// Offset, bytes in hex, and what of them can be printed.
fn dump(bytes: &[u8], max_bytes: usize) -> String {
    let mut text = String::new();
    for (i, line) in bytes[..bytes.len().min(max_bytes)].chunks(DUMP_BYTES).enumerate() {
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let printable = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        let characters: String = line.iter().map(printable).collect();
        text.push_str(&format!("  {:06x}  {:<47}  {characters}\n", i * DUMP_BYTES, hex.join(" ")));
    }
    if bytes.len() > max_bytes {
        text.push_str(&format!("  … and {} bytes more\n", bytes.len() - max_bytes));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::tests::letter;
    use contracts::Topic;
    use testkit::OwnSchemas;

    #[test]
    fn a_payload_that_can_be_decoded_is_shown_as_json_though_a_rule_is_broken() {
        let json = include_str!("../../../../../schemas/market.gap.detected/examples/bars_of_a_week.json");
        let (mut payload, id) = (Vec::new(), OwnSchemas::ids()[&Topic::GapDetected]);
        contract(Topic::GapDetected).unwrap().encode_from_json(json.as_bytes(), id, &mut payload).unwrap();
        let letter = letter(|record| {
            record.payload = Some(payload.clone());
            record.headers[0].1 = Topic::GapDetected.name().into();
        });
        let page = page(&letter, &OwnSchemas, 64);
        for part in [
            "bytes, decoded:",
            "\"gap_start\"",
            "class        bad_magic",
            "\"mine\": \"kept\"",
            "headers      1\n",
        ] {
            assert!(page.contains(part), "{part} in\n{page}");
        }
    }

    #[test]
    fn any_other_payload_is_dumped_up_to_a_bound() {
        let page = page(
            &letter(|record| record.payload = Some([b"\tA".as_slice(), &[0xff; 98]].concat())),
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
    fn ten_thousand_headers_and_one_of_a_megabyte_stay_a_page() {
        let page = page(
            &letter(|record| {
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
