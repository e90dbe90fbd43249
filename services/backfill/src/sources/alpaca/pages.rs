//! Pages of a response: their JSON form, the checks that all have in common, and their errors.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use domain::{BarError, Symbol, Timeframe, Timestamp};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The maximum length of a page token. The tokens of a call are kept, to notice one that repeats.
const TOKEN_BYTES_MAX: usize = 1_024;

/// The maximum number of bytes of the news or actions of a call, counted for each of its symbols.
pub(in crate::sources) const RECORD_BYTES_MAX: usize = 2 << 20;

/// The maximum number of items of a list in a page: ten times what the vendor serves.
const ITEMS_MAX: usize = 10_000;

/// A list of a page, or a map of lists by name. More entries than the maximum are an error: an empty one needs many times its text in memory.
#[derive(Debug)]
pub(super) struct Bounded<C>(pub(super) C);

/// The texts of items, each checked alone.
pub(super) type Items = Bounded<Vec<Box<RawValue>>>;

/// Records by symbol, also of symbols without any.
pub(super) type BySymbol<R> = BTreeMap<Symbol, Vec<R>>;

/// The pages of a request: the form of their body, and the checks of each item.
pub(super) trait Content {
    /// The body of a page. All keys are required: another response has no records.
    type Body: DeserializeOwned;
    type Record;

    /// Adds the items of a page, and returns the token of the next one.
    ///
    /// # Errors
    /// Anything that does not belong to the request, in the order of the page.
    fn add(&mut self, body: Self::Body) -> Result<Option<String>, PageError>;

    fn into_records(self) -> BySymbol<Self::Record>;
}

/// All pages of a request.
pub(super) struct Pages<C> {
    content: C,
    tokens: BTreeSet<String>,
}

struct BoundedVisitor<C>(PhantomData<C>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for BoundedVisitor<Vec<T>> {
    type Value = Bounded<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            if items.len() == ITEMS_MAX {
                return Err(A::Error::custom(format_args!("a list has more than {ITEMS_MAX} items")));
            }
            items.push(item);
        }
        Ok(Bounded(items))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for BoundedVisitor<BTreeMap<String, T>> {
    type Value = Bounded<BTreeMap<String, T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((name, entry)) = map.next_entry()? {
            if entries.len() == ITEMS_MAX {
                return Err(A::Error::custom(format_args!("an object has more than {ITEMS_MAX} keys")));
            }
            entries.insert(name, entry);
        }
        Ok(Bounded(entries))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<Vec<T>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BoundedVisitor(PhantomData::<Vec<T>>))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<BTreeMap<String, T>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BoundedVisitor(PhantomData::<BTreeMap<String, T>>))
    }
}

/// Requires the key, unlike the default for an `Option`.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Error of the content of a page.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error("invalid JSON")]
    Json(#[source] serde_json::Error),
    #[error("bars of symbol {0:?}, which was not requested")]
    Symbol(String),
    #[error("invalid time {text:?} of a bar of {symbol}")]
    Time {
        symbol: Symbol,
        text: String,
        #[source]
        cause: domain::TimestampError,
    },
    #[error("bar of {symbol} at {open_time} is outside of the requested range")]
    OutOfRange { symbol: Symbol, open_time: Timestamp },
    #[error("bar of {symbol} at {open_time} is not aligned to {timeframe}")]
    Unaligned { symbol: Symbol, open_time: Timestamp, timeframe: Timeframe },
    #[error("bar of {symbol} at {open_time} follows one of {previous}")]
    Unsorted { symbol: Symbol, open_time: Timestamp, previous: Timestamp },
    #[error("invalid bar of {symbol} at {open_time}")]
    Bar {
        symbol: Symbol,
        open_time: Timestamp,
        #[source]
        cause: BarError,
    },
    /// The first item of a list is item 1.
    #[error("item {item} of {list}")]
    Item {
        list: &'static str,
        item: usize,
        #[source]
        cause: ItemError,
    },
    #[error("records have more than {0} bytes in all")]
    TooMuch(usize),
    #[error("page token {0:?} repeats")]
    Token(String),
    #[error("page token has {0} bytes, more than {TOKEN_BYTES_MAX}")]
    LongToken(usize),
}

/// Error of an item of a list: an article or a corporate action.
#[derive(Debug, thiserror::Error)]
pub(super) enum ItemError {
    #[error("not of the documented form")]
    Form(#[source] serde_json::Error),
    #[error("invalid {field} {text:?}")]
    Time {
        field: &'static str,
        text: String,
        #[source]
        cause: domain::TimestampError,
    },
    #[error("invalid {field} {text:?}")]
    Date {
        field: &'static str,
        text: String,
        #[source]
        cause: jiff::Error,
    },
    #[error("{field} {value} is not {expected}")]
    Number { field: &'static str, value: f64, expected: &'static str },
    #[error("no {field}")]
    Missing { field: &'static str },
    #[error("no requested symbol among {0:?}")]
    Symbols(String),
    #[error("{field} is empty")]
    Empty { field: &'static str },
    #[error("{field} has {bytes} bytes, more than {max}")]
    Long { field: &'static str, bytes: usize, max: usize },
    #[error("{0} is outside of the requested range")]
    OutOfRange(String),
    #[error("{0} follows one of {1}")]
    Unsorted(String, String),
    #[error("id {0:?} repeats")]
    Repeated(String),
    #[error("updated at {updated}, before it was created at {created}")]
    Updated { created: Timestamp, updated: Timestamp },
}

impl PageError {
    /// Returns `true` if the body is not JSON: cut off, or from another server.
    pub(super) fn is_no_json(&self) -> bool {
        matches!(self, Self::Json(error) if !error.is_data())
    }

    /// Returns `true` for JSON of another form.
    pub(super) fn is_other_form(&self) -> bool {
        matches!(self, Self::Json(error) if error.is_data())
    }
}

impl<C: Content> Pages<C> {
    /// Returns the pages of a request, without a page.
    pub(super) const fn new(content: C) -> Self {
        Self { content, tokens: BTreeSet::new() }
    }

    /// Adds the page with this body, and returns the token of the next one.
    ///
    /// # Errors
    /// As [`Content::add`], and a token that repeats.
    pub(super) fn add(&mut self, body: &[u8]) -> Result<Option<String>, PageError> {
        let page: C::Body = serde_json::from_slice(body).map_err(|error| {
            // A body that is cut off or damaged may have another form before that position.
            let syntax = serde_json::from_slice::<IgnoredAny>(body).err();
            PageError::Json(syntax.unwrap_or(error))
        })?;
        let token = self.content.add(page)?;
        let token_bytes = token.as_ref().map_or(0, String::len);
        if token_bytes > TOKEN_BYTES_MAX {
            return Err(PageError::LongToken(token_bytes));
        }
        if let Some(token) = &token
            && !self.tokens.insert(token.clone())
        {
            return Err(PageError::Token(short(token, 64)));
        }
        Ok(token)
    }

    pub(super) fn into_records(self) -> BySymbol<C::Record> {
        self.content.into_records()
    }
}

/// Returns no records of these symbols.
pub(super) fn empty<R>(symbols: &[Symbol]) -> BySymbol<R> {
    symbols.iter().map(|symbol| (*symbol, Vec::new())).collect()
}

/// Returns the first characters of a text of the server.
pub(super) fn short(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoContent;

    #[derive(Deserialize)]
    struct TokenBody {
        next_page_token: Option<String>,
    }

    impl Content for NoContent {
        type Body = TokenBody;
        type Record = ();

        fn add(&mut self, body: TokenBody) -> Result<Option<String>, PageError> {
            Ok(body.next_page_token)
        }

        fn into_records(self) -> BySymbol<()> {
            BySymbol::new()
        }
    }

    #[test]
    fn list_and_object_above_their_bounds_are_errors() {
        let list = |items| serde_json::from_str::<Items>(&format!("[{}0]", "0,".repeat(items - 1)));
        assert_eq!(list(ITEMS_MAX).unwrap().0.len(), ITEMS_MAX);
        let error = list(ITEMS_MAX + 1).unwrap_err().to_string();
        assert!(error.starts_with("a list has more than 10000 items"), "{error}");
        let object = |keys: usize| {
            let keys: Vec<String> = (0..keys).map(|key| format!("\"{key}\":[]")).collect();
            serde_json::from_str::<Bounded<BTreeMap<String, Items>>>(&format!("{{{}}}", keys.join(",")))
        };
        assert_eq!(object(ITEMS_MAX).unwrap().0.len(), ITEMS_MAX);
        assert!(object(ITEMS_MAX + 1).is_err());
    }

    #[test]
    fn page_token_above_its_bound_is_an_error() {
        let add = |bytes| {
            let body = format!(r#"{{"next_page_token": "{}"}}"#, "t".repeat(bytes));
            Pages::new(NoContent).add(body.as_bytes())
        };
        assert_eq!(add(TOKEN_BYTES_MAX).unwrap().map(|token| token.len()), Some(TOKEN_BYTES_MAX));
        assert!(matches!(add(TOKEN_BYTES_MAX + 1), Err(PageError::LongToken(_))));
    }
}
