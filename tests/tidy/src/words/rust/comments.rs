//! Comments of a Rust file, by a lexer that skips strings and characters.

/// A paragraph of a comment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Comment {
    pub(super) text: String,
    /// Of its first line.
    pub(super) line: usize,
    /// `true` for `///` and `//!`.
    pub(super) is_doc: bool,
    /// `true` if no paragraph of the same comment comes before it.
    pub(super) is_first: bool,
}

/// All comments, in paragraphs.
pub(super) fn read(text: &str) -> Vec<Comment> {
    let mut found: Vec<Comment> = Vec::new();
    let (mut rest, mut line) = (text, 1);
    // Style and line of the previous line comment, and whether it had words.
    let mut previous: Option<(&str, usize, bool)> = None;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            let whole = rest.lines().next().unwrap_or(rest);
            let style = ["///", "//!", "//"].into_iter().find(|it| whole.starts_with(it)).unwrap_or("//");
            let words = whole[style.len()..].trim();
            let continues = previous.is_some_and(|(before, at, _)| before == style && at + 1 == line);
            let in_paragraph = continues && previous.is_some_and(|(_, _, had_words)| had_words);
            match found.last_mut() {
                Some(last) if in_paragraph && !words.is_empty() => {
                    last.text.push('\n');
                    last.text.push_str(words);
                }
                _ if words.is_empty() => {}
                _ => found.push(Comment {
                    text: words.to_owned(),
                    line,
                    is_doc: style != "//",
                    is_first: !continues,
                }),
            }
            previous = Some((style, line, !words.is_empty()));
            whole.len()
        } else if rest.starts_with("/*") {
            let length = block_length(rest);
            found.push(Comment { text: rest[..length].to_owned(), line, is_doc: false, is_first: true });
            length
        } else {
            skipped_length(rest, text, c)
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// The length of a string, a character or an identifier at the beginning; else that of one character.
fn skipped_length(rest: &str, text: &str, c: char) -> usize {
    if let Some(length) = raw_string_length(rest, text) {
        return length;
    }
    if c == '"' {
        return string_length(rest, '"');
    }
    if c == '\'' {
        let mut chars = rest.chars().skip(1);
        let is_char = matches!((chars.next(), chars.next()), (Some('\\'), _) | (Some(_), Some('\'')));
        return if is_char { string_length(rest, '\'') } else { 1 };
    }
    c.len_utf8()
}

fn string_length(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' {
            is_escaped = true;
        } else if c == quote {
            return index + 1;
        }
    }
    rest.len()
}

fn raw_string_length(rest: &str, text: &str) -> Option<usize> {
    let before = text[..text.len() - rest.len()].chars().next_back();
    if before.is_some_and(|c| (c.is_alphanumeric() && c != 'b' && c != 'c') || c == '_') {
        return None;
    }
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = 1 + hashes + 1;
    Some(rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len()))
}

fn block_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::read;

    fn texts(text: &str) -> Vec<(String, usize, bool, bool)> {
        read(text).into_iter().map(|it| (it.text, it.line, it.is_doc, it.is_first)).collect()
    }

    #[test]
    fn comments_are_cut_into_paragraphs() {
        let text = "//! A\n//! b.\n//!\n//! C.\n\n/// D.\nfn f() {} // e\n/* f\n/* g */ */\n";
        assert_eq!(
            texts(text),
            [
                ("A\nb.".to_owned(), 1, true, true),
                ("C.".to_owned(), 4, true, false),
                ("D.".to_owned(), 6, true, true),
                ("e".to_owned(), 7, false, true),
                ("/* f\n/* g */ */".to_owned(), 8, false, true),
            ]
        );
    }

    #[test]
    fn strings_and_characters_are_no_comments() {
        let text = "let a = (\"// \\\" no\", r#\"// \"no\"#, br\"//\", '\"', '\\'', 'b: loop {}); // yes\n";
        assert_eq!(texts(text), [("yes".to_owned(), 1, false, true)]);
    }
}
