//! A TCP proxy that can close, block or delay connections, or respond itself.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Maximum size of a request head before the proxy responds itself.
const HEAD_MAX_BYTES: usize = 16 * 1024;
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// The treatment of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Bytes pass.
    Pass,
    /// Open connections are closed, and new ones too.
    Cut,
    /// Connections stay open and pass no bytes until the mode changes; no byte is dropped, since TCP would send it again.
    BlackHole,
    /// All bytes are delayed by this duration.
    Slow(Duration),
    /// Open connections are closed, and a request on a new one gets this response.
    Respond(&'static str),
}

/// A proxy in front of one port.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    last_link: u64,
    links: BTreeMap<u64, [TcpStream; 2]>,
}

// === impl Proxy ===

impl Proxy {
    /// Listens on a free loopback port and forwards everything to this one.
    ///
    /// # Errors
    /// No port can be bound, or the thread cannot be started.
    pub fn start(target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let state = State { mode: Mode::Pass, last_link: 0, links: BTreeMap::new() };
        let shared = Arc::new(Shared {
            target: (Ipv4Addr::LOCALHOST, target).into(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        thread::Builder::new().name(format!("proxy-{port}")).spawn(move || {
            for client in listener.incoming().flatten() {
                // After an error the connection is closed, which the client detects.
                accepting.accept(client).ok();
            }
        })?;
        Ok(Self { port, shared })
    }

    /// Returns its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets the mode, also for open connections.
    pub fn set(&self, mode: Mode) {
        let mut state = self.shared.state();
        state.mode = mode;
        if matches!(mode, Mode::Cut | Mode::Respond(_)) {
            for stream in state.links.values().flatten() {
                // Fails if it is already closed.
                stream.shutdown(Shutdown::Both).ok();
            }
        }
        self.shared.changed.notify_all();
    }
}

// === impl Shared ===

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let mode = self.state().mode;
        match mode {
            Mode::Cut => Ok(()),
            Mode::Respond(text) => {
                thread::Builder::new().spawn(move || respond(client, text).ok())?;
                Ok(())
            }
            Mode::Pass | Mode::BlackHole | Mode::Slow(_) => self.link(client),
        }
    }

    fn link(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(self.target)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let link = {
            let mut state = self.state();
            state.last_link += 1;
            let link = state.last_link;
            state.links.insert(link, [client.try_clone()?, server.try_clone()?]);
            link
        };
        for (from, to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
            let shared = Arc::clone(self);
            thread::Builder::new().spawn(move || {
                // One side closed its connection: the shutdown closes the other.
                shared.pump(&from, &to).ok();
                from.shutdown(Shutdown::Both).ok();
                to.shutdown(Shutdown::Both).ok();
                shared.state().links.remove(&link);
            })?;
        }
        Ok(())
    }

    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        loop {
            let count = from.read(&mut bytes)?;
            if count == 0 {
                return Ok(());
            }
            self.pass();
            to.write_all(&bytes[..count])?;
        }
    }

    /// Waits until bytes may pass.
    fn pass(&self) {
        let mut state = self.state();
        if let Mode::Slow(wait) = state.mode {
            let slow = |state: &mut State| matches!(state.mode, Mode::Slow(_));
            let waited = self.changed.wait_timeout_while(state, wait, slow);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let held = |state: &mut State| state.mode == Mode::BlackHole;
        drop(self.changed.wait_while(state, held));
    }
}

/// Reads the head of a request, responds and closes the connection.
fn respond(mut client: TcpStream, text: &str) -> io::Result<()> {
    client.set_read_timeout(Some(HEAD_TIMEOUT))?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_MAX_BYTES && client.read(&mut byte)? > 0 {
        head.push(byte[0]);
    }
    client.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts a server that echoes its input and returns its port.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut bytes = [0; 64];
                    while let Ok(count @ 1..) = stream.read(&mut bytes) {
                        stream.write_all(&bytes[..count]).unwrap();
                    }
                });
            }
        });
        port
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn send_byte(mut stream: &TcpStream) -> io::Result<u8> {
        stream.write_all(b"x")?;
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn assert_closed(result: io::Result<u8>) {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        let kind = result.unwrap_err().kind();
        assert!(matches!(kind, BrokenPipe | ConnectionReset | UnexpectedEof), "{kind}");
    }

    #[test]
    fn bytes_pass_before_and_after_a_cut() {
        let proxy = Proxy::start(echo()).unwrap();
        let stream = connect(&proxy);
        assert_eq!(send_byte(&stream).unwrap(), b'x');
        proxy.set(Mode::Cut);
        assert_closed(send_byte(&stream));
        assert_closed(send_byte(&connect(&proxy)));
        proxy.set(Mode::Pass);
        assert_eq!(send_byte(&connect(&proxy)).unwrap(), b'x');
    }

    #[test]
    fn black_hole_delays_bytes_and_loses_none() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = connect(&proxy);
        proxy.set(Mode::BlackHole);
        stream.write_all(b"y").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        proxy.set(Mode::Pass);
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"y");
    }

    #[test]
    fn response_of_the_proxy_reaches_the_client() {
        let proxy = Proxy::start(echo()).unwrap();
        proxy.set(Mode::Respond("HTTP/1.1 500 No\r\n\r\n"));
        let mut stream = connect(&proxy);
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "HTTP/1.1 500 No\r\n\r\n");
    }
}
