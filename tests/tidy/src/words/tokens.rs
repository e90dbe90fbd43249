//! Words of a text with their lines. Identifiers are split at `_`, at `-` and between the parts of CamelCase.

use super::exceptions::Contracts;

/// A word of a text, in lower case. An empty word stands for something that no pattern matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Lower case; empty for a contract name or a placeholder.
    pub word: String,
    /// Counted from 1.
    pub line: usize,
}

/// The words of a text that begins at `line`.
#[must_use]
pub fn tokens(text: &str, line: usize, contracts: &Contracts) -> Vec<Token> {
    let mut found = Vec::new();
    let (mut line, mut rest, mut before) = (line, text, None);
    while let Some(c) = rest.chars().next() {
        let run = rest.find(|c| !is_part(c)).map_or(rest, |end| &rest[..end]);
        if run.is_empty() {
            line += usize::from(c == '\n');
            before = Some(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        rest = &rest[run.len()..];
        let name = run.trim_matches(['.', '-']);
        let is_quoted =
            matches!((before, rest.chars().next()), (Some('`' | '"' | '\''), Some('`' | '"' | '\'')));
        if contracts.has(name) && (is_quoted || name.contains(['_', '-', '.']) || name == text) {
            found.push(Token { word: String::new(), line });
        } else {
            words(run, line, &mut found);
        }
        before = None;
    }
    found
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn words(run: &str, line: usize, found: &mut Vec<Token>) {
    for part in run.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty()) {
        let chars: Vec<char> = part.chars().collect();
        let mut word = String::new();
        for (index, c) in chars.iter().enumerate() {
            let after_lower = index > 0 && (chars[index - 1].is_lowercase() || chars[index - 1].is_numeric());
            let before_lower = chars.get(index + 1).is_some_and(|next| next.is_lowercase());
            let ends_acronym = index > 0 && chars[index - 1].is_uppercase() && before_lower;
            if c.is_uppercase() && (after_lower || ends_acronym) {
                found.push(Token { word: std::mem::take(&mut word), line });
            }
            word.extend(c.to_lowercase());
        }
        found.push(Token { word, line });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        tokens(text, 1, &Contracts::default()).into_iter().map(|it| it.word).collect()
    }

    #[test]
    fn identifiers_split_into_words() {
        assert_eq!(
            split("is_asked GivenBack LSOBehind dead-letter"),
            ["is", "asked", "given", "back", "lso", "behind", "dead", "letter"]
        );
        assert_eq!(split("MAX_ASKED can't"), ["max", "asked", "can", "t"]);
    }

    #[test]
    fn lines_are_counted() {
        let lines: Vec<usize> =
            tokens("a\nb c\n\nd", 5, &Contracts::default()).iter().map(|it| it.line).collect();
        assert_eq!(lines, [5, 6, 6, 8]);
    }
}
