//! A TCP proxy before a broker, which on command swallows the fetches of every connection that is open then, or loses the
//! acknowledgements of what is produced.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses a part; a test that can't go on fails"
)]

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The key of a Fetch request (<https://kafka.apache.org/protocol#protocol_api_keys>).
const FETCH: [u8; 2] = [0, 1];
/// The key of a Produce request.
const PRODUCE: [u8; 2] = [0, 0];

#[derive(Default)]
struct State {
    /// Connections, by number, that are open.
    open: Mutex<BTreeSet<usize>>,
    /// Those whose fetches are swallowed.
    muted: Mutex<BTreeSet<usize>>,
    swallowed: AtomicUsize,
    loses_acknowledgements: AtomicBool,
}

#[derive(Clone)]
pub(crate) struct Mute(Arc<State>);

impl Mute {
    /// Listens at `port` for the rest of the process, and hands everything to the broker at `broker`.
    pub(crate) fn start(port: u16, broker: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for (number, client) in listener.incoming().flatten().enumerate() {
                let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, broker)) else { continue };
                connect(&shared, number, client, broker).ok();
            }
        });
        Self(state)
    }

    /// From now on the broker hears of no fetch over the connections that are open; gives a count of those swallowed.
    pub(crate) fn swallow_fetches(&self) -> impl Fn() -> usize + use<> {
        self.0.muted.lock().unwrap().clone_from(&self.0.open.lock().unwrap());
        let state = Arc::clone(&self.0);
        move || state.swallowed.load(Ordering::Relaxed)
    }

    /// While this is so the broker gets what is produced, and the client finds its connection closed instead of an answer.
    pub(crate) fn lose_acknowledgements(&self, so: bool) {
        self.0.loses_acknowledgements.store(so, Ordering::Release);
    }
}

fn connect(state: &Arc<State>, number: usize, client: TcpStream, broker: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let (mut from_broker, mut to_client) = (broker.try_clone()?, client.try_clone()?);
    thread::spawn(move || io::copy(&mut from_broker, &mut to_client));
    let state = Arc::clone(state);
    state.open.lock().unwrap().insert(number);
    thread::spawn(move || {
        // Ends with the connection.
        requests(&state, number, client, broker).ok();
        state.open.lock().unwrap().remove(&number);
    });
    Ok(())
}

/// Hands on one request after the other: four bytes of length, then as many, which begin with two of the key.
fn requests(state: &State, number: usize, mut client: TcpStream, mut broker: TcpStream) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut request = vec![0; u32::from_be_bytes(length).try_into().unwrap_or(0)];
        client.read_exact(&mut request)?;
        if request.starts_with(&FETCH) && state.muted.lock().unwrap().contains(&number) {
            state.swallowed.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if request.starts_with(&PRODUCE) && state.loses_acknowledgements.load(Ordering::Acquire) {
            // Before the broker can answer.
            client.shutdown(Shutdown::Both)?;
        }
        broker.write_all(&length)?;
        broker.write_all(&request)?;
    }
}
