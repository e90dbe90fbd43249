//! Text that others wrote, such as keys, headers and responses, as it may be printed or logged.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns the text with its control characters escaped, on one line, cut after `characters_max` characters. A terminal executes escape
/// sequences, and invisible characters that change the direction of writing hide what follows.
#[must_use]
pub fn escaped(text: &str, characters_max: usize) -> String {
    let end = text.char_indices().nth(characters_max).map_or(text.len(), |(end, _)| end);
    let mut shown = escape(&text[..end], is_unprintable, push_escaped).into_owned();
    if end < text.len() {
        shown.push_str(&format!("… ({} bytes)", text.len()));
    }
    shown
}

/// Returns the JSON text with the characters that [`escaped`] escapes as `\uXXXX`, so that its value is the same. The JSON library escapes
/// those below U+0020 only. Line breaks of indented JSON are kept.
#[must_use]
pub fn printable_json(json: &str) -> Cow<'_, str> {
    escape(json, is_unprintable_in_lines, |shown, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a text cannot fail.
            write!(shown, "\\u{unit:04x}").unwrap_or_default();
        }
    })
}

/// Returns the text with the characters escaped that [`escaped`] escapes, apart from line breaks. The text itself, if it has none.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    escape(text, is_unprintable_in_lines, push_escaped)
}

/// Returns the text with these characters replaced by what `push` appends for them. The text itself, if it has none.
fn escape(text: &str, is_escaped: fn(char) -> bool, push: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        if is_escaped(character) {
            push(&mut shown, character);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

fn push_escaped(shown: &mut String, character: char) {
    shown.extend(character.escape_default());
}

fn is_unprintable_in_lines(character: char) -> bool {
    character != '\n' && is_unprintable(character)
}

fn is_unprintable(character: char) -> bool {
    // Line and paragraph separators, marks and overrides of the direction, zero-width characters, the byte order mark.
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let title = "\u{1b}]0;owned\u{7}\u{1b}[2J\nAAPL\u{202e}";
        assert_eq!(escaped(title, 100), r"\u{1b}]0;owned\u{7}\u{1b}[2J\nAAPL\u{202e}");
        assert_eq!(escaped("Grüße 你好 \"q\" \\", 100), "Grüße 你好 \"q\" \\");
    }

    #[test]
    fn json_is_escaped_and_its_value_is_the_same() {
        let foreign = "\u{7f}\u{85}\u{9b}2J\u{1b}\n\u{202a}\u{202e}\u{2066}\u{2069}\u{feff}é😀\"\\";
        let value = serde_json::json!({ foreign: [foreign, 1] });
        for json in [value.to_string(), format!("{value:#}")] {
            let shown = printable_json(&json);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
            assert!(!shown.replace('\n', "").chars().any(is_unprintable), "{shown:?}");
            assert!(
                shown.contains(r"\u007f\u0085\u009b2J\u001b\n\u202a\u202e\u2066\u2069\ufeffé😀"),
                "{shown}"
            );
            assert_eq!(shown.lines().count(), json.lines().count());
        }
    }

    #[test]
    fn printable_text_keeps_line_breaks_only() {
        assert_eq!(printable("a\tb\r\n\u{9b}\u{2029}c\n"), "a\\tb\\r\n\\u{9b}\\u{2029}c\n");
        assert!(matches!(printable("Grüße\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn long_text_is_cut_with_its_size() {
        assert_eq!(escaped("ééé", 3), "ééé");
        assert_eq!(escaped("éééé", 3), "ééé… (8 bytes)");
        assert!(escaped(&"x".repeat(3_000_000), 50).len() < 100);
    }
}
