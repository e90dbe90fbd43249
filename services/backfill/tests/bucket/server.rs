//! S3 on a local port: objects, lists, signatures of every request, and injected failures.
//!
//! Written on sockets, because some failures are no valid HTTP. Each connection has one request.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use domain::Timestamp;
use integration::http_server::{RequestHead, finish, serve};
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::signature::check;

pub(crate) const KEY_ID: &str = "AKIATEST0123456789AB";
pub(crate) const SECRET: &str = "secret/+=0123456789";
pub(crate) const BUCKET: &str = "history";

/// The maximum number of names in a response to a list: fewer than S3 has, so that lists have pages.
const PAGE_NAMES_MAX: usize = 3;

/// A failure of one of the next requests.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// An error with these headers.
    Error(u16, &'static str, Vec<(&'static str, String)>),
    /// The connection ends after this many bytes of the body.
    CutBody(usize),
    /// There is no response, and the connection remains open.
    Stall,
    /// A successful response that is none of S3.
    OtherServer,
}

/// A running server. It ends with the test process.
pub(crate) struct S3Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The content of each object, and the time of its last change.
    objects: Mutex<BTreeMap<String, (Vec<u8>, Timestamp)>>,
    is_removed: Mutex<bool>,
    failures: Mutex<VecDeque<Option<Failure>>>,
    /// The method and the target of each valid request.
    requests: Mutex<Vec<String>>,
    /// Connections without a response.
    open: Mutex<Vec<TcpStream>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("an intact lock")
}

impl S3Server {
    pub(crate) fn start() -> Self {
        let state = Arc::new(State::default());
        let served = Arc::clone(&state);
        let address = serve(move |connection| served.serve(connection)).expect("a free port");
        Self { address, state }
    }

    pub(crate) fn put(&self, key: &str, content: impl Into<Vec<u8>>, changed: Timestamp) {
        locked(&self.state.objects).insert(key.to_owned(), (content.into(), changed));
    }

    pub(crate) fn remove_bucket(&self) {
        *locked(&self.state.is_removed) = true;
    }

    /// Injects a failure into each of the next requests.
    pub(crate) fn inject(&self, failures: impl IntoIterator<Item = Option<Failure>>) {
        locked(&self.state.failures).extend(failures);
    }

    /// Returns the valid requests since the last call.
    pub(crate) fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.state.requests))
    }
}

/// A response.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    fn error(status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Simulated {code}.</Message>\
             <StringToSign>AWS4-HMAC-SHA256 {SECRET}</StringToSign></Error>"
        );
        Self {
            status,
            headers: vec![("content-type", "application/xml".to_owned())],
            body: body.into_bytes(),
        }
    }

    /// The head and the body on the connection.
    fn bytes(&self, is_head: bool) -> (Vec<u8>, &[u8]) {
        let mut head = format!("HTTP/1.1 {} Status\r\nconnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        (head.into_bytes(), if is_head { &[] } else { &self.body })
    }
}

impl State {
    fn serve(&self, mut connection: TcpStream) {
        let Some(head) = RequestHead::read(&connection) else { return };
        let RequestHead { method, target, .. } = &head;
        let reply = match check(&head, KEY_ID, SECRET) {
            Err(code) => Reply::error(403, code),
            Ok(()) => {
                locked(&self.requests).push(format!("{method} {target}"));
                self.reply(target)
            }
        };
        let (mut head, mut body) = reply.bytes(method == "HEAD");
        let failed;
        match locked(&self.failures).pop_front().flatten() {
            None => {}
            Some(Failure::Error(status, code, headers)) => {
                failed = Reply { headers, ..Reply::error(status, code) };
                (head, body) = failed.bytes(method == "HEAD");
            }
            Some(Failure::CutBody(length)) => body = &body[..length],
            Some(Failure::Stall) => {
                locked(&self.open).push(connection);
                return;
            }
            Some(Failure::OtherServer) => {
                failed = Reply { status: 200, headers: Vec::new(), body: b"<html>Sign in</html>".to_vec() };
                (head, body) = failed.bytes(method == "HEAD");
            }
        }
        // The client may have closed the connection.
        connection.write_all(&[&head, body].concat()).ok();
        finish(connection);
    }

    fn reply(&self, target: &str) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = url::form_urlencoded::parse(format!("{}=", path.replace('+', "%2B")).as_bytes())
            .next()
            .map(|(path, _)| path.into_owned())
            .unwrap_or_default();
        let parts = path.trim_start_matches('/').split_once('/');
        let (bucket, key) = parts.unwrap_or((path.trim_start_matches('/'), ""));
        if bucket != BUCKET || *locked(&self.is_removed) {
            return Reply::error(404, "NoSuchBucket");
        }
        if key.is_empty() {
            return self.list(query);
        }
        match locked(&self.objects).get(key) {
            None => Reply::error(404, "NoSuchKey"),
            Some((content, changed)) => Reply {
                status: 200,
                headers: vec![
                    ("last-modified", http_date(*changed)),
                    ("etag", format!("\"{:x}\"", content.len())),
                    ("content-type", "binary/octet-stream".to_owned()),
                ],
                body: content.clone(),
            },
        }
    }

    /// Names below a prefix, in order: objects, and the common part of those with the delimiter after the prefix.
    fn list(&self, query: &str) -> Reply {
        let parameters: BTreeMap<String, String> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let get = |name: &str| parameters.get(name).map_or("", String::as_str);
        if get("list-type") != "2" {
            return Reply::error(400, "InvalidArgument");
        }
        let objects = locked(&self.objects);
        let mut names = BTreeSet::new();
        for key in objects.keys() {
            let Some(rest) = key.strip_prefix(get("prefix")) else { continue };
            let folder = rest.find('/').filter(|_| get("delimiter") == "/");
            names.insert(match folder {
                Some(end) => &key[..get("prefix").len() + end + 1],
                None => key,
            });
        }
        let after = get("continuation-token").replace("+/==", "");
        let max = get("max-keys").parse().unwrap_or(PAGE_NAMES_MAX).min(PAGE_NAMES_MAX);
        let rest: Vec<&&str> = names.iter().filter(|name| **name > after.as_str()).collect();
        let page = &rest[..rest.len().min(max)];
        let mut items = String::new();
        for name in page {
            items.push_str(&match objects.get(**name) {
                Some((content, changed)) => format!(
                    "<Contents><Key>{name}</Key><LastModified>{changed}</LastModified><ETag>\"0\"</ETag><Size>{}</Size>\
                     <StorageClass>STANDARD</StorageClass></Contents>",
                    content.len()
                ),
                None => format!("<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"),
            });
        }
        let is_truncated = page.len() < rest.len();
        let next = page.last().filter(|_| is_truncated);
        let next = next.map(|last| format!("<NextContinuationToken>{last}+/==</NextContinuationToken>"));
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Name>{BUCKET}</Name><Prefix>{}</Prefix><KeyCount>{}</KeyCount><MaxKeys>{max}</MaxKeys>\
             <IsTruncated>{is_truncated}</IsTruncated>{}{items}</ListBucketResult>",
            get("prefix"),
            page.len(),
            next.unwrap_or_default()
        );
        Reply {
            status: 200,
            headers: vec![("content-type", "application/xml".to_owned())],
            body: body.into_bytes(),
        }
    }
}

fn http_date(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(time.micros()).expect("a time");
    DateTimePrinter::new().timestamp_to_rfc9110_string(&time).expect("a time")
}
