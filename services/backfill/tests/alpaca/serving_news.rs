//! `GET /v1beta1/news` of the simulated server.

use domain::Timestamp;
use serde_json::{Value, json};

use crate::server::{Parameters, Reply, limit_of, symbols_of, time_of};

/// An article that is created and updated at these times.
pub(crate) fn article(id: u64, created: Timestamp, updated: Timestamp, symbols: &[&str]) -> Value {
    json!({
        "id": id, "headline": format!("Article {id}: \"quoted\", é"), "author": "A. Author", "source": "benzinga",
        "created_at": created.to_string(), "updated_at": updated.to_string(), "summary": "", "content": "",
        "url": format!("https://example.com/{id}"), "images": [], "symbols": symbols,
    })
}

/// Returns the response to a request: articles are selected and sorted by their update; a page has at most `page_max`.
pub(crate) fn news(
    held: &[Value],
    parameters: &Parameters,
    page_max: Option<usize>,
) -> Result<Reply, String> {
    let symbols = symbols_of(parameters)?;
    let limit = limit_of(parameters, 10, 50)?;
    let start = time_of(parameters, "start")?;
    let end = time_of(parameters, "end")?;
    if !matches!(parameters.get("include_content").map(String::as_str), None | Some("false" | "False")) {
        return Err("include_content is not simulated".to_owned());
    }
    let after = parameters.get("page_token").map(|token| parse_token(token)).transpose()?;
    let mut articles: Vec<&Value> = held
        .iter()
        .filter(|article| {
            let updated = key(article).0;
            let named = article["symbols"].as_array().expect("a list");
            start.is_none_or(|start| updated >= start)
                && end.is_none_or(|end| updated <= end)
                && after.is_none_or(|after| key(article) > after)
                && named.iter().any(|name| symbols.contains(&name.as_str().expect("a name")))
        })
        .collect();
    articles.sort_by_key(|article| key(article));
    let count = page_max.map_or(limit, |max| max.min(limit));
    let token = articles.get(count).map(|_| make_token(key(articles[count - 1])));
    articles.truncate(count);
    Ok(Reply::json(200, &json!({ "news": articles, "next_page_token": token })))
}

fn key(article: &Value) -> (Timestamp, u64) {
    let updated = Timestamp::parse(article["updated_at"].as_str().expect("a text")).expect("a time");
    (updated, article["id"].as_u64().expect("a number"))
}

fn make_token((updated, id): (Timestamp, u64)) -> Value {
    format!("{}|{id}+/==", updated.micros()).into()
}

fn parse_token(token: &str) -> Result<(Timestamp, u64), String> {
    let parts = token.strip_suffix("+/==").and_then(|token| token.split_once('|'));
    let parts = parts.and_then(|(micros, id)| Some((micros.parse().ok()?, id.parse().ok()?)));
    let (micros, id) = parts.ok_or_else(|| format!("invalid page_token: {token}"))?;
    Ok((Timestamp::from_micros(micros), id))
}
