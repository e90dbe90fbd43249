//! The address of a registry.

use url::Url;

/// An address that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryUrlError {
    /// The scheme is missing or another one.
    #[error("its scheme is not http or https")]
    Scheme,
    /// Addresses are part of errors, logs and the shown configuration.
    #[error("it contains a user: use username and password")]
    User,
    /// Paths are appended to the address.
    #[error("it has a query or a fragment")]
    Query,
    /// The parser ignores them at the ends, and requests are sent to the text as it is.
    #[error("it begins or ends with a blank")]
    Blank,
    /// No server listens on this port.
    #[error("its port is 0")]
    Port,
    /// The text is not an address.
    #[error(transparent)]
    Parse(#[from] url::ParseError),
}

/// Parses the address of a registry.
pub(super) fn parse(text: &str) -> Result<Url, RegistryUrlError> {
    if text.trim() != text {
        return Err(RegistryUrlError::Blank);
    }
    // A password with special characters, or a missing scheme, hides the user from the parser.
    let has_at = text.contains('@');
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(_) if has_at => return Err(RegistryUrlError::User),
        Err(_) if !text.contains("://") => return Err(RegistryUrlError::Scheme),
        Err(error) => return Err(error.into()),
    };
    let is_http = matches!(url.scheme(), "http" | "https");
    if !url.username().is_empty() || url.password().is_some() || has_at && !is_http {
        return Err(RegistryUrlError::User);
    }
    if !is_http {
        return Err(RegistryUrlError::Scheme);
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(RegistryUrlError::Query);
    }
    match url.port() {
        Some(0) => Err(RegistryUrlError::Port),
        _ => Ok(url),
    }
}

/// Returns the address without slashes at its end: paths are appended to it.
pub(super) fn base(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, RegistryUrlError> {
        parse(text).map(|url| base(&url))
    }

    #[test]
    fn scheme_is_case_insensitive_and_slashes_are_removed() {
        assert_eq!(parsed("HTTP://registry:8081//").unwrap(), "http://registry:8081");
        assert_eq!(
            parsed("https://[::1]:8081/apis/ccompat/v7/").unwrap(),
            "https://[::1]:8081/apis/ccompat/v7"
        );
        assert_eq!(parsed("http://registry").unwrap(), "http://registry");
    }

    #[test]
    fn address_that_cannot_be_called_is_rejected() {
        for text in ["localhost:8081", "registry", "ftp://registry", "/path", ""] {
            assert_eq!(parsed(text), Err(RegistryUrlError::Scheme), "{text}");
        }
        for text in ["http://registry:99999", "http://a b", "http://[::1", "http://"] {
            assert!(matches!(parsed(text), Err(RegistryUrlError::Parse(_))), "{text}");
        }
        assert_eq!(parsed("http://registry:0"), Err(RegistryUrlError::Port));
        assert_eq!(parsed("http://registry "), Err(RegistryUrlError::Blank));
        assert_eq!(parsed("http://registry/?a=b"), Err(RegistryUrlError::Query));
    }

    #[test]
    fn user_is_rejected_in_every_form() {
        let users = [
            "http://me:hunter2@registry:8081",
            "http://me:hun/ter2@registry:8081",
            "HTTPS://me@registry",
            "me:hunter2@registry:8081",
            "me@registry",
            "ftp://me:hunter2@registry",
        ];
        for text in users {
            assert_eq!(parsed(text), Err(RegistryUrlError::User), "{text}");
        }
    }
}
