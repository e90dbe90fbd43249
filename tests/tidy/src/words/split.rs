//! Identifiers split into words: at `_`, `-` and `.`, and between the parts of CamelCase.

/// The words in lower case.
pub(super) fn words(run: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in run.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty()) {
        let chars: Vec<char> = part.chars().collect();
        let mut word = String::new();
        for (index, c) in chars.iter().enumerate() {
            let after_lower = index > 0 && (chars[index - 1].is_lowercase() || chars[index - 1].is_numeric());
            let before_lower = chars.get(index + 1).is_some_and(|next| next.is_lowercase());
            let ends_acronym = index > 0 && chars[index - 1].is_uppercase() && before_lower;
            if c.is_uppercase() && (after_lower || ends_acronym) {
                found.push(std::mem::take(&mut word));
            }
            word.extend(c.to_lowercase());
        }
        found.push(word);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn identifiers_split_into_words() {
        for (run, split) in [
            ("is_first", "is first"),
            ("FirstOffset", "first offset"),
            ("LSOOffset", "lso offset"),
            ("dead-letter", "dead letter"),
            ("MAX_OFFSET", "max offset"),
            ("a.b2B", "a b2 b"),
        ] {
            assert_eq!(words(run).join(" "), split, "{run}");
        }
    }
}
