//! The page of the events: topics with their settings, and fields with types and texts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use contracts::catalogue::contracts;
use contracts::reference::{EnumReference, EventReference, RecordReference};
use contracts::topics::{DEFAULT_PARTITIONS, Topic};

const DAY_MS: i64 = 24 * 3_600 * 1_000;

const HEAD: &str = "\
# Events

<!-- Rendered by `cargo run -p reference -- --write`; edit the doc comments in shared/contracts instead. -->

Every topic carries one event. The value is Avro in the Confluent wire format, the subject is `<topic>-value`. [topics.md](topics.md) explains keys, \
partitions and headers for producers and consumers of your own, [findings.md](findings.md) the JSON form of the findings, and [rules.md](rules.md) \
what becomes of each event.

";

/// Renders the page.
#[must_use]
pub fn page() -> String {
    let events: Vec<EventReference> = contracts().map(|contract| contract.reference()).collect();
    let mut text = HEAD.to_owned();
    topics(&mut text);
    text.push_str("\n## Envelope\n\nThe first fields of every event:\n\n");
    if let Some(first) = events.first() {
        let envelope =
            RecordReference { fields: first.record.fields[..ENVELOPE].to_vec(), ..first.record.clone() };
        fields(&mut text, &envelope, 0);
    }
    let mut named: BTreeMap<&str, Vec<Topic>> = BTreeMap::new();
    for event in &events {
        named.entry(&event.record.name).or_default().push(event.topic);
    }
    let mut enums: BTreeMap<String, EnumReference> = BTreeMap::new();
    for event in &events {
        let topics = &named[event.record.name.as_str()];
        // Two topics of one event are one section.
        if topics[0] == event.topic {
            section(&mut text, event, topics);
        }
        enums.extend(event.enums.iter().map(|one| (one.name.clone(), one.clone())));
    }
    text.push_str("\n## Enums\n\nEvery enum has the default `unknown`, so that a reader accepts a symbol that is missing in its schema.\n");
    for one in enums.values() {
        choices(&mut text, one);
    }
    text
}

/// Number of fields that every event begins with.
const ENVELOPE: usize = 4;

fn topics(text: &mut String) {
    let _infallible = write!(
        text,
        "## Topics\n\nTopics have {DEFAULT_PARTITIONS} partitions by default, `message.timestamp.type=LogAppendTime` and unclean leader election off. \
         `tapeline topics apply` creates them and changes their settings, `tapeline topics check` reports differences.\n\n\
         | topic | key | cleanup | retention | max. message |\n|---|---|---|---|---|\n"
    );
    for topic in Topic::ALL {
        let retention = match topic.retention_ms() {
            -1 => "unlimited".to_owned(),
            ms => format!("{} days", ms / DAY_MS),
        };
        let _infallible = writeln!(
            text,
            "| `{topic}` | {} | {} | {retention} | {} KiB |",
            cell(&topic.key_rule().to_string()),
            topic.cleanup().as_str(),
            topic.max_message_bytes() / 1_024,
        );
    }
}

fn section(text: &mut String, event: &EventReference, topics: &[Topic]) {
    let names: Vec<&str> = topics.iter().map(|topic| topic.event()).collect();
    let _infallible = write!(text, "\n## {}\n\n{}\n\n", names.join(", "), event.record.doc);
    fields(text, &event.record, ENVELOPE);
    for record in &event.records {
        let _infallible = write!(text, "\n`{}`: {}\n\n", record.name, record.doc);
        fields(text, record, 0);
    }
}

fn fields(text: &mut String, record: &RecordReference, from: usize) {
    text.push_str("| field | type | default | meaning |\n|---|---|---|---|\n");
    for field in &record.fields[from..] {
        let default =
            field.default.as_ref().map_or_else(|| "required".to_owned(), |json| format!("`{json}`"));
        let _infallible =
            writeln!(text, "| `{}` | {} | {default} | {} |", field.name, field.avro_type, cell(&field.doc));
    }
}

fn choices(text: &mut String, one: &EnumReference) {
    let _infallible = write!(text, "\n### {}\n\n", one.name);
    if !one.doc.is_empty() {
        let _infallible = write!(text, "{}\n\n", one.doc);
    }
    if one.values.iter().all(|(_, doc)| doc.is_empty()) {
        let names: Vec<String> = one.values.iter().map(|(name, _)| format!("`{name}`")).collect();
        let _infallible = writeln!(text, "{}", names.join(", "));
        return;
    }
    text.push_str("| value | meaning |\n|---|---|\n");
    for (name, doc) in &one.values {
        let _infallible = writeln!(text, "| `{name}` | {} |", cell(doc));
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace("\n\n", "<br>").replace('\n', " ")
}
