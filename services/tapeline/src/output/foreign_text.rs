//! Text that others wrote, such as keys, headers and responses, as it may be printed.

/// Returns the text with its control characters escaped, on one line, cut after `characters_max` characters. A terminal executes escape
/// sequences, and invisible characters that change the direction of writing hide what follows.
#[must_use]
pub fn escaped(text: &str, characters_max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(characters_max));
    for (i, character) in text.chars().enumerate() {
        if i == characters_max {
            shown.push_str(&format!("… ({} bytes)", text.len()));
            break;
        }
        if is_unprintable(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
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
    fn long_text_is_cut_with_its_size() {
        assert_eq!(escaped("ééé", 3), "ééé");
        assert_eq!(escaped("éééé", 3), "ééé… (8 bytes)");
        assert!(escaped(&"x".repeat(3_000_000), 50).len() < 100);
    }
}
