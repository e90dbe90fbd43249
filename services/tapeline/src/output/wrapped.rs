//! Lines of text that fit into the columns of the terminal.

/// Columns of the text where standard output is no terminal.
const DEFAULT_COLUMNS: usize = 80;

/// Returns the columns of the terminal at standard output, or a default without one.
#[must_use]
pub fn columns() -> usize {
    chassis::output::columns().unwrap_or(DEFAULT_COLUMNS)
}

/// Returns indented lines with these items, two spaces between them. An item is not broken.
#[must_use]
pub fn wrapped(items: &[String], columns: usize) -> String {
    let (mut text, mut width) = (String::new(), 0);
    for item in items {
        let length = item.chars().count();
        if width > 0 && width + 2 + length > columns {
            text.push('\n');
            width = 0;
        }
        text.push_str("  ");
        text.push_str(item);
        width += 2 + length;
    }
    if width > 0 {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn line_breaks_before_an_item_that_does_not_fit() {
        let items = ["abc", "def", "a longer item"].map(str::to_owned);
        assert_eq!(wrapped(&items, 10), "  abc  def\n  a longer item\n");
        assert_eq!(wrapped(&items, 9), "  abc\n  def\n  a longer item\n");
        assert_eq!(wrapped(&[], 9), "");
    }
}
