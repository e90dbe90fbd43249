//! Ports for child processes.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// The kernel uses ports from 32,768 on for outgoing connections, so a lower port cannot be used by one of those between the check
/// here and the start of the process.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Returns a free loopback port, another one in each call. Test processes begin at different ports.
///
/// # Errors
/// No port of the range can be bound.
pub fn free_port() -> io::Result<u16> {
    let begin = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(COUNT)).unwrap_or(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (begin + step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other(format!("no free port from {FIRST} to {}", FIRST + COUNT)))
}
