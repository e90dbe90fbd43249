//! A TCP proxy of a broker that, on command, drops the fetch requests of every open connection, or loses the acknowledgements of
//! produce requests.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses a part; a failed step fails the test"
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
    /// The numbers of open connections.
    open: Mutex<BTreeSet<usize>>,
    /// The numbers of connections whose fetch requests are dropped.
    without_fetches: Mutex<BTreeSet<usize>>,
    dropped: AtomicUsize,
    loses_acknowledgements: AtomicBool,
}

#[derive(Clone)]
pub(crate) struct KafkaProxy(Arc<State>);

impl KafkaProxy {
    /// Listens on `port` until the process exits, and forwards everything to the broker at `broker`.
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

    /// Drops the fetch requests of all connections that are open now; returns a counter of dropped requests.
    pub(crate) fn drop_fetches(&self) -> impl Fn() -> usize + use<> {
        self.0.without_fetches.lock().unwrap().clone_from(&self.0.open.lock().unwrap());
        let state = Arc::clone(&self.0);
        move || state.dropped.load(Ordering::Relaxed)
    }

    /// While enabled, the broker receives produce requests, and the client's connection is closed before the response.
    pub(crate) fn lose_acknowledgements(&self, enabled: bool) {
        self.0.loses_acknowledgements.store(enabled, Ordering::Release);
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

/// Forwards one request after the other: a length of four bytes, then the request, which begins with its key of two bytes.
fn requests(state: &State, number: usize, mut client: TcpStream, mut broker: TcpStream) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut request = vec![0; u32::from_be_bytes(length).try_into().unwrap_or(0)];
        client.read_exact(&mut request)?;
        if request.starts_with(&FETCH) && state.without_fetches.lock().unwrap().contains(&number) {
            state.dropped.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        if request.starts_with(&PRODUCE) && state.loses_acknowledgements.load(Ordering::Acquire) {
            // Before the broker can respond.
            client.shutdown(Shutdown::Both)?;
        }
        broker.write_all(&length)?;
        broker.write_all(&request)?;
    }
}
