//! Words of a text with their lines.

use super::contracts::Contracts;
use super::split::words;

/// One word, in lower case. No pattern matches an empty word.
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
            found.extend(words(run).into_iter().map(|word| Token { word, line }));
        }
        before = None;
    }
    found
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted() {
        let lines: Vec<usize> =
            tokens("a\nb c\n\nd", 5, &Contracts::default()).iter().map(|it| it.line).collect();
        assert_eq!(lines, [5, 6, 6, 8]);
    }
}
