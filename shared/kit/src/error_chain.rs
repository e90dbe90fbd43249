//! An error with its sources, as one line of text.

use std::error::Error;
use std::fmt;

/// Shows an error and each of its sources, outermost first, separated by `: `. For places that print an error as text; an error's own
/// `Display` does not repeat its source.
#[derive(Clone, Copy)]
pub struct ErrorChain<'a>(pub &'a dyn Error);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Unreadable(std::io::Error);

    impl fmt::Display for Unreadable {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("failed to read the file")
        }
    }

    impl Error for Unreadable {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn sources_follow_the_error_outermost_first() {
        let error = Unreadable(std::io::Error::other("disk full"));
        assert_eq!(ErrorChain(&error).to_string(), "failed to read the file: disk full");
        assert_eq!(ErrorChain(&std::io::Error::other("disk full")).to_string(), "disk full");
    }
}
