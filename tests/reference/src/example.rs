//! Example configuration files: every key with its text and its default.

use std::fmt::Write as _;

use serde_json::Value;

use crate::configuration::{Key, Kind};

/// Longest line of a comment.
const WIDTH: usize = 110;

/// Renders the example file of a program.
#[must_use]
pub fn file(program: &str, keys: &[Key]) -> String {
    let mut text = format!(
        "# Configuration of {program}: every key with its default. Lines that begin with `#key` show a key that is unset by default.\n\
         # Rendered from the code by `cargo run -p reference -- --write`; docs/configuration.md explains types and variables.\n"
    );
    let mut section = None;
    for key in keys {
        if section != Some(&key.section) {
            let _infallible = writeln!(text, "\n[{}]", key.section);
            section = Some(&key.section);
        }
        for line in wrapped(&key.doc) {
            let _infallible = writeln!(text, "# {line}");
        }
        if let Kind::Choice(choices) = &key.kind {
            let names: Vec<&str> = choices.iter().map(|(name, _)| name.as_str()).collect();
            let _infallible = writeln!(text, "# One of: {}.", names.join(", "));
        }
        text.push_str(&assignment(key));
    }
    text
}

fn assignment(key: &Key) -> String {
    let name = &key.name;
    match (&key.kind, &key.default) {
        (Kind::Secret, _) => format!("#{name} = {{ file = \"/run/secrets/{name}\" }}\n"),
        (Kind::Table, Value::Object(map)) if map.is_empty() => {
            format!("#{name} = {{ \"socket.keepalive.enable\" = \"true\" }}\n")
        }
        (Kind::Choice(choices), Value::Null) => {
            let first = choices.first().map_or("", |(name, _)| name.as_str());
            format!("#{name} = \"{first}\"\n")
        }
        (Kind::Path, Value::Null) => format!("#{name} = \"/etc/tapeline/{name}.pem\"\n"),
        (Kind::Integer | Kind::Number, Value::Null) => format!("#{name} = 1\n"),
        (_, Value::Null) => format!("#{name} = \"tapeline\"\n"),
        // Strings and lists of strings are written alike in JSON and TOML.
        (_, value) => format!("{name} = {value}\n"),
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().map_or(0, |line| line.len());
        if last > 0 && last + 1 + word.len() > WIDTH {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
