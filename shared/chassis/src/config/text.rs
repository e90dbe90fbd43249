//! Values of the environment, which are texts, as the types of their defaults.

use serde_json::Value;

/// A text that is not of the type of the default. The message is the rule for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TextError {
    #[error("must be true or false")]
    Bool,
    #[error("must be a number")]
    Number,
    #[error("must be a whole number")]
    WholeNumber,
    #[error("must be a JSON list: {0}")]
    List(serde_json::Error),
}

/// Parses a text as the type of `default`.
pub(crate) fn parse(text: &str, default: &Value) -> Result<Value, TextError> {
    match default {
        Value::Bool(_) => text.parse().map(Value::Bool).map_err(|_| TextError::Bool),
        Value::Number(number) if number.is_f64() => {
            let number = text.parse().ok().and_then(serde_json::Number::from_f64);
            number.map(Value::Number).ok_or(TextError::Number)
        }
        Value::Number(_) => text
            .parse::<u64>()
            .map(Value::from)
            .or_else(|_| text.parse::<i64>().map(Value::from))
            .map_err(|_| TextError::WholeNumber),
        Value::Array(items) => parse_list(text, items.first()),
        Value::Object(_) | Value::String(_) | Value::Null => Ok(Value::String(text.to_owned())),
    }
}

fn parse_list(text: &str, first: Option<&Value>) -> Result<Value, TextError> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(TextError::List);
    }
    let default = first.cloned().unwrap_or_else(|| Value::String(String::new()));
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(|item| parse(item, &default)).collect()
}
