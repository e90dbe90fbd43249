//! String literals and log fields, read from the tokens of a file, so that macros are included.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The use of a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LiteralKind {
    Text,
    /// The reason of an `expect` or `allow` attribute.
    Reason,
}

/// A string literal, or the name of a log field.
#[derive(Debug)]
pub(super) struct Literal {
    pub(super) text: String,
    pub(super) line: usize,
    pub(super) kind: LiteralKind,
}

const LOG_MACROS: &[&str] = &[
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "event",
    "span",
    "trace_span",
    "debug_span",
    "info_span",
    "warn_span",
    "error_span",
];

/// Attribute keys whose strings name code.
const CODE_KEYS: &[&str] = &[
    "default",
    "with",
    "deserialize_with",
    "serialize_with",
    "skip_serializing_if",
    "try_from",
    "into",
    "from",
    "bound",
    "path",
    "crate",
    "feature",
    "remote",
];

/// All literals and log fields of a file.
pub(super) fn read(text: &str) -> Result<Vec<Literal>, String> {
    let stream = TokenStream::from_str(text).map_err(|cause| cause.to_string())?;
    let mut found = Vec::new();
    walk(stream, false, &mut found);
    Ok(found)
}

fn walk(stream: TokenStream, in_attribute: bool, found: &mut Vec<Literal>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    for (index, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Group(group) => {
                let before = index.checked_sub(1).map(|at| &trees[at]);
                let after_bang = index.checked_sub(2).map(|at| &trees[at]);
                let is_attribute = group.delimiter() == Delimiter::Bracket
                    && (is_punct(before, '#') || (is_punct(before, '!') && is_punct(after_bang, '#')));
                if is_punct(before, '!')
                    && after_bang.is_some_and(|it| LOG_MACROS.contains(&it.to_string().as_str()))
                {
                    fields(group.stream(), found);
                }
                walk(group.stream(), in_attribute || is_attribute, found);
            }
            TokenTree::Literal(literal) => {
                let key = index
                    .checked_sub(2)
                    .filter(|_| in_attribute && is_punct(Some(&trees[index - 1]), '='))
                    .map(|at| trees[at].to_string());
                add(literal, key.as_deref(), found);
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

fn add(literal: &proc_macro2::Literal, key: Option<&str>, found: &mut Vec<Literal>) {
    if key.is_some_and(|key| key == "doc" || CODE_KEYS.contains(&key)) {
        return;
    }
    let value = match syn::Lit::new(literal.clone()) {
        syn::Lit::Str(it) => it.value(),
        syn::Lit::ByteStr(it) => String::from_utf8_lossy(&it.value()).into_owned(),
        syn::Lit::CStr(it) => it.value().to_string_lossy().into_owned(),
        _ => return,
    };
    let kind = if key == Some("reason") { LiteralKind::Reason } else { LiteralKind::Text };
    found.push(Literal { text: without_placeholders(&value), line: literal.span().start().line, kind });
}

/// The names of fields before the message of a log macro: `name = value`, `%name` and `?name`.
fn fields(stream: TokenStream, found: &mut Vec<Literal>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    for argument in trees.split(|it| is_punct(Some(it), ',')) {
        let name = match argument {
            [TokenTree::Literal(_), ..] => return,
            [TokenTree::Ident(name), TokenTree::Punct(equals), ..] if equals.as_char() == '=' => name,
            [TokenTree::Punct(sigil), TokenTree::Ident(name)] if matches!(sigil.as_char(), '%' | '?') => name,
            [TokenTree::Ident(name)] => name,
            _ => continue,
        };
        let line = name.span().start().line;
        found.push(Literal { text: name.to_string(), line, kind: LiteralKind::Text });
    }
}

fn is_punct(tree: Option<&TokenTree>, c: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == c)
}

/// A format string with `{}` for each of its placeholders: the name of a variable is no text.
fn without_placeholders(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        kept.push_str(&rest[..at]);
        rest = &rest[at..];
        let inner = rest[1..].split(['{', '}', '"', ' ', '\n']).next().unwrap_or("");
        if rest[1 + inner.len()..].starts_with('}') {
            kept.push_str("{}");
            rest = &rest[inner.len() + 2..];
        } else {
            kept.push('{');
            rest = &rest[1..];
        }
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_macros_and_attributes_are_found() {
        let text = "#[error(\"a {who:?}\")] #[serde(default = \"b\")] #[expect(dead_code, reason = \"c\")]\n\
            /// d\nfn f() { warn!(e = 1, %f, g = \"h\", \"i\", j); x!([\"k\"]); }";
        let found: Vec<String> = read(text).unwrap().into_iter().map(|it| it.text).collect();
        assert_eq!(found, ["a {}", "c", "e", "f", "g", "h", "i", "k"]);
    }

    #[test]
    fn only_placeholders_are_left_out() {
        assert_eq!(without_placeholders("a {b} {c:?} {\"d\": 1} {{e}}"), "a {} {} {\"d\": 1} {{}}");
    }
}
