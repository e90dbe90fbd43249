//! The table of words (`words.tsv`): patterns with their replacements.

use std::collections::HashMap;

use super::tokens::Token;

/// One word of a pattern.
#[derive(Debug, Clone)]
enum Element {
    /// Any one of these words.
    Words(Vec<String>),
    /// Any word that begins with one of these, or is one of the words.
    Prefixes(Vec<String>, Vec<String>),
    /// Any word.
    Any,
}

impl Element {
    fn parse(text: &str) -> Self {
        if text == "_" {
            return Self::Any;
        }
        let (prefixes, words): (Vec<&str>, Vec<&str>) = text.split('|').partition(|it| it.ends_with('*'));
        let words = words.into_iter().map(str::to_lowercase).collect();
        if prefixes.is_empty() {
            return Self::Words(words);
        }
        Self::Prefixes(prefixes.iter().map(|it| it.trim_end_matches('*').to_lowercase()).collect(), words)
    }

    fn matches(&self, word: &str) -> bool {
        match self {
            Self::Words(words) => words.iter().any(|it| it == word),
            Self::Prefixes(prefixes, words) => {
                prefixes.iter().any(|it| word.starts_with(it)) || words.iter().any(|it| it == word)
            }
            Self::Any => !word.is_empty(),
        }
    }

    /// The first characters of the words that match; none for [`Self::Any`].
    fn keys(&self) -> Vec<String> {
        match self {
            Self::Words(words) => words.iter().map(|it| key(it)).collect(),
            Self::Prefixes(prefixes, words) => prefixes.iter().chain(words).map(|it| key(it)).collect(),
            Self::Any => Vec::new(),
        }
    }
}

/// The index key of a word: its first two characters.
fn key(word: &str) -> String {
    word.chars().take(2).collect()
}

/// The texts to which a pattern applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Any,
    Doc,
    Name,
}

/// A sequence of words that is not used, or one that is permitted.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As it is written in the table.
    pub text: String,
    /// The words to use instead; `None` for a permitted phrase.
    pub replacement: Option<String>,
    elements: Vec<Element>,
    at_start: bool,
    at_end: bool,
    scope: Scope,
    crates: Vec<String>,
}

impl Pattern {
    /// Parses one pattern of the table.
    ///
    /// # Errors
    /// If it has no words or an unknown scope.
    pub fn parse(text: &str, replacement: Option<&str>, scope: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let at_start = words.first() == Some(&"^");
        let at_end = words.last() == Some(&"$");
        let elements: Vec<Element> =
            words.iter().filter(|it| !["^", "$"].contains(it)).map(|it| Element::parse(it)).collect();
        if elements.first().is_none_or(|it| it.keys().is_empty()) {
            return Err(format!("pattern {text:?} does not begin with a word"));
        }
        let mut pattern = Self {
            text: text.to_owned(),
            replacement: replacement.map(str::to_owned),
            elements,
            at_start,
            at_end,
            scope: Scope::Any,
            crates: Vec::new(),
        };
        for part in scope.split_whitespace() {
            match part {
                "any" => pattern.scope = Scope::Any,
                "doc" => pattern.scope = Scope::Doc,
                "name" => pattern.scope = Scope::Name,
                _ if part.starts_with('@') => {
                    pattern.crates = part[1..].split(',').map(str::to_owned).collect();
                }
                _ => return Err(format!("pattern {text:?} has the unknown scope {part:?}")),
            }
        }
        Ok(pattern)
    }

    /// `true` if the words are exactly those of the pattern.
    #[must_use]
    pub fn is(&self, words: &[Token]) -> bool {
        words.len() == self.elements.len()
            && self.elements.iter().zip(words).all(|(element, token)| element.matches(&token.word))
    }

    fn matches(&self, tokens: &[Token], at: usize, context: &Context<'_>) -> bool {
        let end = at + self.elements.len();
        let in_scope = match self.scope {
            Scope::Any => true,
            Scope::Doc => context.is_doc,
            Scope::Name => context.is_name,
        };
        in_scope
            && (self.crates.is_empty() || self.crates.iter().any(|it| it == context.area))
            && (!self.at_start || at == 0)
            && (!self.at_end || end == tokens.len())
            && end <= tokens.len()
            && self.elements.iter().zip(&tokens[at..end]).all(|(element, token)| element.matches(&token.word))
    }
}

/// The properties of a piece that scopes refer to.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The crate or area.
    pub area: &'a str,
    /// The piece begins a doc comment.
    pub is_doc: bool,
    /// The piece is a name.
    pub is_name: bool,
}

/// All patterns, indexed by the beginning of their first word.
#[derive(Debug, Default)]
pub struct Patterns {
    all: Vec<Pattern>,
    by_key: HashMap<String, Vec<usize>>,
}

impl Patterns {
    /// Parses the table.
    ///
    /// # Errors
    /// The first line that is no row of the table.
    pub fn parse(table: &str) -> Result<Self, String> {
        let mut patterns = Self::default();
        for line in table.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            let mut cells = line.split('\t').map(str::trim);
            let (text, replacement) = (cells.next().unwrap_or(""), cells.next().unwrap_or(""));
            if replacement.is_empty() {
                return Err(format!("{line:?} has no replacement"));
            }
            patterns.add(Pattern::parse(text, Some(replacement), cells.next().unwrap_or("any"))?);
        }
        Ok(patterns)
    }

    /// Adds a pattern.
    pub fn add(&mut self, pattern: Pattern) {
        let keys = pattern.elements.first().map(Element::keys).unwrap_or_default();
        for key in keys {
            let of_key = self.by_key.entry(key).or_default();
            if of_key.last() != Some(&self.all.len()) {
                of_key.push(self.all.len());
            }
        }
        self.all.push(pattern);
    }

    /// The longest pattern that matches at the token of this index, and its number of words. Of two equally long
    /// ones the permitted phrase wins.
    #[must_use]
    pub fn best_match(
        &self,
        tokens: &[Token],
        at: usize,
        context: &Context<'_>,
    ) -> Option<(&Pattern, usize)> {
        let candidates = self.by_key.get(&key(&tokens[at].word))?;
        candidates
            .iter()
            .map(|index| &self.all[*index])
            .filter(|pattern| pattern.matches(tokens, at, context))
            .map(|pattern| (pattern, pattern.elements.len()))
            .max_by_key(|(pattern, length)| (*length, pattern.replacement.is_none()))
    }
}
