//! A minimal HTTP server for tests of clients. It is written on sockets, because some injected failures are no valid HTTP.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// The head of a request. The names of headers are in lower case.
#[derive(Debug)]
pub struct RequestHead {
    pub method: String,
    /// The path and the query, as they were sent.
    pub target: String,
    pub headers: BTreeMap<String, String>,
}

// === impl RequestHead ===

impl RequestHead {
    /// Reads a head. `None` if the connection ends before, or it is not HTTP.
    #[must_use]
    pub fn read(connection: &TcpStream) -> Option<Self> {
        let mut lines = BufReader::new(connection).lines();
        let first = lines.next()?.ok()?;
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = (words.next()?, words.next()?);
        let mut headers = BTreeMap::new();
        for line in lines {
            let line = line.ok()?;
            if line.is_empty() {
                return Some(Self { method, target, headers });
            }
            let (name, value) = line.split_once(':')?;
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        None
    }
}

/// Listens on a free loopback port until the process ends, and calls `handle` with each connection, on a thread of its own.
///
/// # Errors
/// There is no free port.
pub fn serve(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let handle = Arc::new(handle);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let handle = Arc::clone(&handle);
            std::thread::spawn(move || handle(connection));
        }
    });
    Ok(address)
}

/// Ends a connection when its client has read everything and closes: data that was not read would reset it.
pub fn finish(connection: TcpStream) {
    // The client may have closed it.
    connection.shutdown(Shutdown::Write).ok();
    io::copy(&mut connection.take(1 << 20), &mut io::sink()).ok();
}
