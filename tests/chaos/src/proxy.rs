//! A small TCP proxy whose connections can be cut, black-holed, slowed or answered by itself.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Longest head of a request that is read before the proxy answers itself.
const HEAD_MAX_BYTES: usize = 16 * 1024;
const HEAD_PATIENCE: Duration = Duration::from_secs(5);

/// What happens to bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They pass.
    Pass,
    /// Connections are closed: those that are open, and new ones.
    Cut,
    /// Connections stay open and nothing passes until another mode; nothing is dropped either, as TCP would send it again.
    BlackHole,
    /// Everything that passes waits this long.
    Slow(Duration),
    /// Open connections are closed, and a request on a new one gets this text.
    Answer(&'static str),
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
    /// Listens on a free loopback port and passes everything on to this one.
    ///
    /// # Errors
    /// When no port can be bound or no thread be started.
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
                // A link that can't be made is a connection that ends at once, which the client sees.
                accepting.accept(client).ok();
            }
        })?;
        Ok(Self { port, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, also for connections that are open.
    pub fn set(&self, mode: Mode) {
        let mut state = self.shared.state();
        state.mode = mode;
        if matches!(mode, Mode::Cut | Mode::Answer(_)) {
            for stream in state.links.values().flatten() {
                // Closed already is as good.
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
            Mode::Answer(text) => {
                thread::Builder::new().spawn(move || answer(client, text).ok())?;
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
                // Either end has gone: the other one is told by the shutdown.
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

    /// Returns when bytes may pass.
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

/// Reads the head of a request, answers and closes.
fn answer(mut client: TcpStream, text: &str) -> io::Result<()> {
    client.set_read_timeout(Some(HEAD_PATIENCE))?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_MAX_BYTES && client.read(&mut byte)? > 0 {
        head.push(byte[0]);
    }
    client.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Echoes what it gets.
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

    fn ask(mut stream: &TcpStream) -> io::Result<u8> {
        stream.write_all(b"x")?;
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    #[test]
    fn bytes_pass_until_a_cut_and_again_after_it() {
        let proxy = Proxy::start(echo()).unwrap();
        let stream = connect(&proxy);
        assert_eq!(ask(&stream).unwrap(), b'x');
        proxy.set(Mode::Cut);
        assert!(ask(&stream).is_err());
        assert!(ask(&connect(&proxy)).is_err());
        proxy.set(Mode::Pass);
        assert_eq!(ask(&connect(&proxy)).unwrap(), b'x');
    }

    #[test]
    fn a_black_hole_loses_nothing_once_it_is_gone() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = connect(&proxy);
        proxy.set(Mode::BlackHole);
        stream.write_all(b"y").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut byte = [0];
        assert!(stream.read(&mut byte).is_err());
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        proxy.set(Mode::Pass);
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"y");
    }

    #[test]
    fn an_answer_of_its_own_reaches_whoever_asks() {
        let proxy = Proxy::start(echo()).unwrap();
        proxy.set(Mode::Answer("HTTP/1.1 500 No\r\n\r\n"));
        let mut stream = connect(&proxy);
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "HTTP/1.1 500 No\r\n\r\n");
    }
}
