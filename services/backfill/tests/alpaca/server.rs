//! Simulation of Alpaca Market Data v2 on a local port: bars, news and corporate actions by the published documentation, and injected failures.
//!
//! Written on sockets, because some failures are no valid HTTP. Each connection has one request.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::Timestamp;
use integration::http_server::{RequestHead, finish, serve};
use serde_json::{Value, json};

use crate::failures::Failure;
use crate::serving_actions::actions;
use crate::serving_bars::{Bars, bars};
use crate::serving_news::news;

pub(crate) const KEY_ID: &str = "PKTEST0123456789";
pub(crate) const SECRET: &str = "secret/+=0123456789";

/// A response.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// The parameters of a request.
pub(crate) type Parameters = BTreeMap<String, String>;

/// A running server. It ends with the test process.
pub(crate) struct SimulatedServer {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    bars: Mutex<Bars>,
    news: Mutex<Vec<Value>>,
    /// By the name of their list.
    actions: Mutex<Vec<(&'static str, Value)>>,
    /// One for each of the next requests. `None`: the request has no failure.
    failures: Mutex<VecDeque<Option<Failure>>>,
    requests: Mutex<Vec<Parameters>>,
    /// Fewer items a page than the limit of the request, as the vendor does at times.
    page_max: Mutex<Option<usize>>,
    /// Connections without a response, or with a part of one.
    open: Mutex<Vec<TcpStream>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("an intact lock")
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![
            ("content-type", "application/json; charset=UTF-8".to_owned()),
            ("x-ratelimit-limit", "200".to_owned()),
            ("x-ratelimit-remaining", "199".to_owned()),
            ("x-ratelimit-reset", "4000000000".to_owned()),
        ];
        Self { status, headers, body: body.to_string().into_bytes() }
    }

    pub(crate) fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "message": message }))
    }

    /// The bytes on the connection.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Status\r\nconnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        [head.as_bytes(), &self.body].concat()
    }
}

impl SimulatedServer {
    pub(crate) fn start() -> Self {
        let state = Arc::new(State::default());
        let served = Arc::clone(&state);
        let address = serve(move |connection| served.serve(connection)).expect("a free port");
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds bars of a symbol that open at these times. Their prices differ by index.
    pub(crate) fn add(&self, symbol: &str, timeframe: &str, times: &[Timestamp]) {
        let bars = times.iter().zip(0_u32..).map(|(time, index)| {
            let price = 100.0 + f64::from(index) / 100.0;
            json!({
                "t": time.to_string(), "o": price, "h": price + 1.0, "l": price - 1.0, "c": price + 0.5,
                "v": 1_000 + index, "n": 10, "vw": price + 0.1,
            })
        });
        locked(&self.state.bars).insert((symbol.to_owned(), timeframe.to_owned()), bars.collect());
    }

    pub(crate) fn add_news(&self, articles: impl IntoIterator<Item = Value>) {
        locked(&self.state.news).extend(articles);
    }

    pub(crate) fn add_actions(&self, actions: impl IntoIterator<Item = (&'static str, Value)>) {
        locked(&self.state.actions).extend(actions);
    }

    /// Injects a failure into each of the next requests.
    pub(crate) fn inject(&self, failures: impl IntoIterator<Item = Option<Failure>>) {
        locked(&self.state.failures).extend(failures);
    }

    /// Returns the number of injected failures that no request has had yet.
    pub(crate) fn failures_left(&self) -> usize {
        locked(&self.state.failures).len()
    }

    pub(crate) fn limit_pages(&self, items: usize) {
        *locked(&self.state.page_max) = Some(items);
    }

    /// Returns the parameters of all requests since the last call.
    pub(crate) fn take_requests(&self) -> Vec<Parameters> {
        std::mem::take(&mut locked(&self.state.requests))
    }
}

impl State {
    fn serve(&self, mut connection: TcpStream) {
        let Some(RequestHead { target, headers, .. }) = RequestHead::read(&connection) else { return };
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let parameters: Parameters = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        locked(&self.requests).push(parameters.clone());
        let failure = locked(&self.failures).pop_front().flatten();
        let reply = || self.reply(path, &headers, &parameters);
        let (bytes, is_kept_open) = match failure {
            None => (reply().bytes(), false),
            Some(failure) => failure.bytes(&parameters, reply),
        };
        // The client may have closed the connection.
        connection.write_all(&bytes).ok();
        if is_kept_open {
            locked(&self.open).push(connection);
            return;
        }
        finish(connection);
    }

    fn reply(&self, path: &str, headers: &Parameters, parameters: &Parameters) -> Reply {
        let has = |name: &str, value: &str| headers.get(name).is_some_and(|text| text == value);
        if !has("apca-api-key-id", KEY_ID) || !has("apca-api-secret-key", SECRET) {
            return Reply::error(403, "forbidden.");
        }
        if let Some(sort) = parameters.get("sort").filter(|sort| *sort != "asc") {
            return Reply::error(400, &format!("sort {sort} is not simulated"));
        }
        let page_max = *locked(&self.page_max);
        let reply = match path {
            "/v2/stocks/bars" => bars(&locked(&self.bars), parameters, page_max),
            "/v1beta1/news" => news(&locked(&self.news), parameters, page_max),
            "/v1/corporate-actions" => actions(&locked(&self.actions), parameters, page_max),
            _ => return Reply::error(404, "endpoint not found."),
        };
        reply.unwrap_or_else(|message| Reply::error(400, &message))
    }
}

/// Returns the requested symbols in order, each once.
pub(crate) fn symbols_of(parameters: &Parameters) -> Result<Vec<&str>, String> {
    let mut symbols: Vec<&str> = parameters.get("symbols").ok_or("symbols is required")?.split(',').collect();
    let is_name =
        |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'.');
    if let Some(invalid) = symbols.iter().find(|text| !is_name(text)) {
        return Err(format!("invalid symbol: {invalid}"));
    }
    symbols.sort_unstable();
    symbols.dedup();
    Ok(symbols)
}

pub(crate) fn limit_of(parameters: &Parameters, default: usize, max: usize) -> Result<usize, String> {
    let limit = parameters.get("limit").map_or(Ok(default), |text| text.parse());
    let limit = limit.map_err(|_| "invalid limit")?;
    let is_valid = (1..=max).contains(&limit);
    if is_valid { Ok(limit) } else { Err(format!("limit must be between 1 and {max}")) }
}

pub(crate) fn time_of(parameters: &Parameters, name: &str) -> Result<Option<Timestamp>, String> {
    let text = parameters.get(name);
    text.map(|text| Timestamp::parse(text).map_err(|_| format!("invalid {name}: {text}"))).transpose()
}
