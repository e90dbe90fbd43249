//! Declarations of configuration types in the sources: fields, variants and their doc comments.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Expr, Fields, Item, Lit, Meta, Type};

use crate::Error;

/// Crates whose types occur in configurations, with their folders.
const CRATES: &[(&str, &str)] = &[
    ("kit", "shared/kit"),
    ("kafka-io", "shared/kafka-io"),
    ("chassis", "shared/chassis"),
    ("hosting", "shared/hosting"),
    ("publisher", "services/publisher"),
    ("scanner-bridge", "services/scanner-bridge"),
    ("feature", "services/feature"),
    ("backfill", "services/backfill"),
    ("tapeline", "services/tapeline"),
];

/// A type that is read from a configuration.
#[derive(Clone)]
pub enum Declaration {
    /// A section: its fields in the order of their declaration.
    Section(Vec<Field>),
    /// Names, each with its text.
    Choice(Vec<(String, String)>),
    /// Another type by another name.
    Transparent(Box<Type>),
}

/// A field of a section.
#[derive(Clone)]
pub struct Field {
    /// Its key.
    pub name: String,
    /// Its type as written.
    pub ty: Type,
    /// Its doc comment as one line.
    pub doc: String,
}

/// All declarations, by crate and name. A name may occur more than once in a crate.
#[derive(Default)]
pub struct Sources {
    types: BTreeMap<(String, String), Vec<Declaration>>,
}

/// Returns the root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

impl Sources {
    /// Reads the sources of all crates that declare configuration types.
    ///
    /// # Errors
    /// If a file cannot be read or parsed.
    pub fn read() -> Result<Self, Error> {
        let mut sources = Self::default();
        for (name, folder) in CRATES {
            sources.read_folder(name, &root().join(folder).join("src"))?;
        }
        Ok(sources)
    }

    fn read_folder(&mut self, crate_name: &str, folder: &Path) -> Result<(), Error> {
        let failed = |source| Error::File { path: folder.to_owned(), source };
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                self.read_folder(crate_name, &path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text =
                    fs::read_to_string(&path).map_err(|source| Error::File { path: path.clone(), source })?;
                let file = syn::parse_file(&text).map_err(|source| Error::Syntax { path, source })?;
                file.items.iter().for_each(|item| self.add(crate_name, item));
            }
        }
        Ok(())
    }

    fn add(&mut self, crate_name: &str, item: &Item) {
        let (attributes, name, declaration) = match item {
            Item::Struct(item) => (&item.attrs, &item.ident, section(&item.fields)),
            Item::Enum(item) => {
                let all = renames(&item.attrs).1;
                let choices = item.variants.iter().map(|variant| {
                    let own = renames(&variant.attrs).0;
                    let name = own.unwrap_or_else(|| cased(&variant.ident.to_string(), all.as_deref()));
                    (name, doc(&variant.attrs))
                });
                (&item.attrs, &item.ident, Declaration::Choice(choices.collect()))
            }
            _ => return,
        };
        if derives_deserialize(attributes) {
            self.types.entry((crate_name.to_owned(), name.to_string())).or_default().push(declaration);
        }
    }

    /// Returns the declaration of a type that `crate_name` names, and the crate that declares it; `None` for a type of a library.
    ///
    /// # Errors
    /// If more than one declaration fits.
    pub fn find(&self, crate_name: &str, name: &str) -> Result<Option<(&str, &Declaration)>, Error> {
        let own = self.types.get_key_value(&(crate_name.to_owned(), name.to_owned()));
        let mut found: Vec<(&str, &Declaration)> = own.iter().flat_map(pairs).collect();
        if found.is_empty() {
            let shared = self.types.iter().filter(|((of, other), _)| other == name && is_shared(of));
            found = shared.flat_map(|it| pairs(&it)).collect();
        }
        match found[..] {
            [] => Ok(None),
            [only] => Ok(Some(only)),
            _ => Err(Error::Type {
                crate_name: crate_name.to_owned(),
                name: name.to_owned(),
                count: found.len(),
            }),
        }
    }
}

fn pairs<'a>(
    entry: &(&'a (String, String), &'a Vec<Declaration>),
) -> impl Iterator<Item = (&'a str, &'a Declaration)> + use<'a> {
    let ((crate_name, _), declarations) = *entry;
    declarations.iter().map(move |declaration| (crate_name.as_str(), declaration))
}

fn is_shared(crate_name: &str) -> bool {
    CRATES.iter().any(|(name, folder)| *name == crate_name && folder.starts_with("shared/"))
}

fn section(fields: &Fields) -> Declaration {
    match fields {
        Fields::Unnamed(one) if one.unnamed.len() == 1 => {
            Declaration::Transparent(Box::new(one.unnamed[0].ty.clone()))
        }
        fields => Declaration::Section(
            fields
                .iter()
                .filter_map(|field| {
                    let name = field.ident.as_ref()?.to_string();
                    Some(Field { name, ty: field.ty.clone(), doc: doc(&field.attrs) })
                })
                .collect(),
        ),
    }
}

/// Returns the doc comment as one line of text.
fn doc(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ")
}

fn derives_deserialize(attributes: &[Attribute]) -> bool {
    let derives = attributes.iter().filter(|attribute| attribute.path().is_ident("derive"));
    derives.into_iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.tokens.to_string().contains("Deserialize"),
        _ => false,
    })
}

/// Returns serde's `rename` and `rename_all`.
fn renames(attributes: &[Attribute]) -> (Option<String>, Option<String>) {
    let (mut one, mut all) = (None, None);
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        // An attribute of another form renames nothing.
        let _ignored = attribute.parse_nested_meta(|meta| {
            let text = meta.value().and_then(|value| value.parse::<syn::LitStr>());
            if meta.path.is_ident("rename") {
                one = Some(text?.value());
            } else if meta.path.is_ident("rename_all") {
                all = Some(text?.value());
            }
            Ok(())
        });
    }
    (one, all)
}

fn cased(variant: &str, rule: Option<&str>) -> String {
    let separator = match rule {
        Some("snake_case") => "_",
        Some("kebab-case") => "-",
        Some("lowercase") => "",
        _ => return variant.to_owned(),
    };
    let mut name = String::new();
    for (index, letter) in variant.char_indices() {
        if letter.is_uppercase() && index > 0 {
            name.push_str(separator);
        }
        name.extend(letter.to_lowercase());
    }
    name
}
