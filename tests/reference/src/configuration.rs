//! The keys of a configuration, and the page that lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;
use syn::{GenericArgument, PathArguments, Type};

use crate::Error;
use crate::services::Program;
use crate::sources::{Declaration, Field, Sources};

/// A key of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Dotted section; empty at the top.
    pub section: String,
    /// Name within the section.
    pub name: String,
    /// The kind of its value.
    pub kind: Kind,
    /// The default; `null` if it is unset.
    pub default: Value,
    /// Its text.
    pub doc: String,
    /// Whether it may be left unset.
    pub is_optional: bool,
}

/// The kind of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Any text.
    String,
    /// A path of a file or folder.
    Path,
    /// `host:port`.
    Address,
    /// A text that is never shown, which may also come from a file.
    Secret,
    /// A list of texts.
    List,
    /// A table with any keys.
    Table,
    /// One of these names, each with its text.
    Choice(Vec<(String, String)>),
}

impl Key {
    /// Returns its dotted name.
    #[must_use]
    pub fn dotted(&self) -> String {
        if self.section.is_empty() { self.name.clone() } else { format!("{}.{}", self.section, self.name) }
    }

    fn variable(&self, prefix: &str) -> String {
        format!("{prefix}__{}", self.dotted().replace('.', "__").to_ascii_uppercase())
    }

    fn unit(&self) -> &'static str {
        const UNITS: [(&str, &str); 9] = [
            ("_ms", "ms"),
            ("_s", "s"),
            ("_bytes", "bytes"),
            ("_kib", "KiB"),
            ("_days", "days"),
            ("_hours", "hours"),
            ("_per_s", "per second"),
            ("_bars", "bars"),
            ("_lines", "lines"),
        ];
        // The longest suffix, so that `_per_s` is not seconds.
        let fits = UNITS.iter().filter(|(suffix, _)| self.name.ends_with(suffix));
        fits.max_by_key(|(suffix, _)| suffix.len()).map_or("", |(_, unit)| unit)
    }
}

/// Returns all keys of a program, section by section.
///
/// # Errors
/// If a key has no text, or the sources and the serialized defaults list different keys.
pub fn keys(program: &Program, sources: &Sources) -> Result<Vec<Key>, Error> {
    let mut keys = Vec::new();
    let (of, declaration) = declared(sources, program.name, &program.root)?;
    let walk = Walk { program, sources };
    walk.collect(of, declaration, "", &program.defaults, &mut keys)?;
    let known: BTreeSet<String> = keys.iter().map(Key::dotted).collect();
    let mut serialized = BTreeSet::new();
    list(&program.defaults, "", program.free_form, &mut serialized);
    if let Some(key) = known.symmetric_difference(&serialized).next() {
        return Err(broken(program, key, "is not both in the sources and in the serialized defaults"));
    }
    if let Some(key) = keys.iter().find(|key| key.doc.is_empty()) {
        return Err(broken(program, &key.dotted(), "has no doc comment"));
    }
    Ok(keys)
}

fn broken(program: &Program, key: &str, rule: &str) -> Error {
    Error::Key { service: program.name, key: key.to_owned(), rule: rule.to_owned() }
}

fn declared<'a>(sources: &'a Sources, of: &str, name: &str) -> Result<(&'a str, &'a Declaration), Error> {
    let missing = || Error::Type { crate_name: of.to_owned(), name: name.to_owned(), count: 0 };
    sources.find(of, name)?.ok_or_else(missing)
}

/// What a walk through the sections reads.
struct Walk<'a> {
    program: &'a Program,
    sources: &'a Sources,
}

impl Walk<'_> {
    fn collect(
        &self,
        of: &str,
        declaration: &Declaration,
        section: &str,
        defaults: &Value,
        keys: &mut Vec<Key>,
    ) -> Result<(), Error> {
        let fields = match declaration {
            Declaration::Section(fields) => fields,
            Declaration::Transparent(ty) => {
                let (of, inner) = declared(self.sources, of, &type_name(ty))?;
                return self.collect(of, inner, section, defaults, keys);
            }
            Declaration::Choice(_) => return Err(broken(self.program, section, "is no section")),
        };
        let mut sections = Vec::new();
        for Field { name, ty, doc } in fields {
            let dotted = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
            let default = defaults.get(name).cloned().unwrap_or_default();
            let (inner, is_optional) = without_option(ty);
            let found = self.sources.find(of, &type_name(inner))?;
            let kind = match found {
                Some((at, section)) if is_section(self.sources, at, section)? => {
                    sections.push((dotted, at, section, default));
                    continue;
                }
                Some((_, Declaration::Choice(choices))) => Kind::Choice(choices.clone()),
                _ => kind_of(inner, &default)
                    .ok_or_else(|| broken(self.program, &dotted, "has an unknown type"))?,
            };
            let section = section.to_owned();
            keys.push(Key { section, name: name.clone(), kind, default, doc: doc.clone(), is_optional });
        }
        for (dotted, at, declaration, default) in sections {
            self.collect(at, declaration, &dotted, &default, keys)?;
        }
        Ok(())
    }
}

/// Returns `true` for a named struct, also inside a transparent one. A transparent type of a plain value (a duration, a secret) is no section.
fn is_section(sources: &Sources, of: &str, declaration: &Declaration) -> Result<bool, Error> {
    Ok(match declaration {
        Declaration::Section(fields) => !fields.is_empty(),
        Declaration::Choice(_) => false,
        Declaration::Transparent(ty) => match sources.find(of, &type_name(ty))? {
            Some((of, inner)) => is_section(sources, of, inner)?,
            None => false,
        },
    })
}

fn kind_of(ty: &Type, default: &Value) -> Option<Kind> {
    Some(match (type_name(ty).as_str(), default) {
        ("bool", _) => Kind::Boolean,
        ("PathBuf", _) => Kind::Path,
        ("SocketAddr", _) => Kind::Address,
        ("Secret", _) => Kind::Secret,
        ("Vec", _) => Kind::List,
        ("BTreeMap", _) => Kind::Table,
        ("f32" | "f64", _) => Kind::Number,
        ("String", _) => Kind::String,
        (_, Value::Number(_)) => Kind::Integer,
        _ => return None,
    })
}

fn type_name(ty: &Type) -> String {
    let Type::Path(path) = ty else { return String::new() };
    path.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default()
}

fn without_option(ty: &Type) -> (&Type, bool) {
    if let Type::Path(path) = ty
        && let Some(last) = path.path.segments.last()
        && last.ident == "Option"
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(inner)) = arguments.args.first()
    {
        return (inner, true);
    }
    (ty, false)
}

fn list(value: &Value, at: &str, free_form: &[&str], keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) if !free_form.contains(&at) => {
            for (name, value) in map {
                let dotted = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                list(value, &dotted, free_form, keys);
            }
        }
        _ => drop(keys.insert(at.to_owned())),
    }
}

// === the page ===

/// Sections that several programs have.
const SHARED: [&str; 4] = ["process", "kafka", "registry", "process.logs"];

const HEAD: &str = "\
# Configuration

<!-- Rendered by `cargo run -p reference -- --write`; edit the doc comments of the configuration structs instead. -->

Every service takes `--config FILE` (TOML). The values of the file replace the defaults, and environment variables replace the values of \
the file. Unknown keys are rejected. `--check-config` validates without starting and reports all errors at once; a running service shows \
its configuration at `/config`, without secrets. [deploy/config](../deploy/config) has a complete example file of each service.

- A variable is `<PREFIX>__<SECTION>__<KEY>`: two underscores separate levels. Lists are separated by commas or written as JSON, tables \
are written as JSON.
- A secret can be read from a file: `password = { file = \"/run/secrets/kafka\" }`, or the variable with `_FILE` appended.
- Keys that end in `_max` are limits. A default of `unset` means that the key may be omitted.

";

/// Renders the page of all programs.
///
/// # Errors
/// As [`keys`].
pub fn page(programs: &[Program], sources: &Sources) -> Result<String, Error> {
    let mut all = Vec::new();
    for program in programs {
        all.push((program, keys(program, sources)?));
    }
    let mut text = HEAD.to_owned();
    text.push_str("| program | prefix | example |\n|---|---|---|\n");
    for program in programs {
        let file = format!("deploy/config/{}.toml", program.name);
        let _infallible =
            writeln!(text, "| `{}` | `{}` | [{file}](../{file}) |", program.name, program.prefix);
    }
    text.push_str("\n## Shared sections\n\nEvery program has the sections `kafka` and `registry`, every service `process` too.\n");
    text.push_str("`<PREFIX>` is the prefix of the program.\n");
    let (_, first) = &all[0];
    let shared: Vec<&Key> = first.iter().filter(|key| is_shared(key)).collect();
    sections(&mut text, &shared, "<PREFIX>", "###");
    text.push_str(&differences(&all, &shared));
    for (program, keys) in &all {
        let own: Vec<&Key> = keys.iter().filter(|key| !is_shared(key)).collect();
        if !own.is_empty() {
            let _infallible = writeln!(text, "\n## {}", program.name);
            sections(&mut text, &own, &program.prefix, "###");
        }
    }
    Ok(text)
}

fn is_shared(key: &Key) -> bool {
    let top = key.section.split('.').next().unwrap_or_default();
    SHARED.contains(&top)
}

fn sections(text: &mut String, keys: &[&Key], prefix: &str, heading: &str) {
    let mut last = None;
    for key in keys {
        if last != Some(&key.section) {
            let _infallible = writeln!(text, "\n{heading} `{}`\n", key.section);
            text.push_str("| key | type | unit | default | environment variable | meaning |\n|---|---|---|---|---|---|\n");
            last = Some(&key.section);
        }
        let (kind, choices) = described(&key.kind);
        let _infallible = writeln!(
            text,
            "| `{}` | {kind} | {} | {} | `{}` | {}{choices} |",
            key.name,
            key.unit(),
            shown(key),
            key.variable(prefix),
            cell(&key.doc),
        );
    }
}

/// Defaults of shared keys that differ between programs.
fn differences(all: &[(&Program, Vec<Key>)], shared: &[&Key]) -> String {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for key in shared {
        let of_programs = all.iter().filter_map(|(program, keys)| {
            let own = keys.iter().find(|other| other.dotted() == key.dotted())?;
            Some((program.name, own))
        });
        let defaults: Vec<(&str, &Key)> = of_programs.collect();
        if defaults.iter().any(|(_, own)| own.default != key.default) {
            let cells = defaults.iter().map(|(name, own)| format!("{} (`{name}`)", shown(own)));
            rows.insert(key.dotted(), cells.collect());
        }
    }
    let mut text = "\nDefaults that differ between programs:\n\n| key | defaults |\n|---|---|\n".to_owned();
    for (key, cells) in rows {
        let _infallible = writeln!(text, "| `{key}` | {} |", cells.join(", "));
    }
    text
}

fn described(kind: &Kind) -> (String, String) {
    let name = match kind {
        Kind::Boolean => "boolean",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::String => "string",
        Kind::Path => "path",
        Kind::Address => "address",
        Kind::Secret => "secret",
        Kind::List => "list of strings",
        Kind::Table => "table of strings",
        Kind::Choice(choices) => {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
            let texts = choices.iter().filter(|(_, doc)| !doc.is_empty());
            let texts: String = texts.map(|(name, doc)| format!("<br>`{name}`: {}", cell(doc))).collect();
            return (format!("one of {}", names.join(", ")), texts);
        }
    };
    (name.to_owned(), String::new())
}

fn shown(key: &Key) -> String {
    match &key.default {
        Value::Null => "unset".to_owned(),
        Value::String(_) if key.kind == Kind::Secret => "unset".to_owned(),
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(items) if items.is_empty() => "empty".to_owned(),
        Value::Object(map) if map.is_empty() => "empty".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> =
                items.iter().map(|item| item.as_str().unwrap_or_default().to_owned()).collect();
            format!("`{}`", items.join(","))
        }
        value => format!("`{value}`"),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
