//! `--probe`: asks the process that runs with this configuration whether it is ready, where a supervisor can only run a command and the
//! image has no other program that could ask.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A probe that waits longer says less than one that failed.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks `/ready` of the admin server at this address.
///
/// # Errors
/// What it answers when it isn't ready, or why it can't be asked.
pub(crate) fn ask(admin: SocketAddr) -> Result<(), String> {
    let address = reachable(admin);
    let answer = answer(address).map_err(|cause| format!("{address} can't be asked: {cause}"))?;
    match answer.split_whitespace().nth(1) {
        Some("200") => Ok(()),
        _ => Err(format!("not ready: {}", answer.rsplit("\r\n").next().unwrap_or_default())),
    }
}

/// HTTP/1.0, so that the end of the stream ends the answer.
fn answer(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // Whole: formatting into the stream would send each part by itself.
    stream.write_all(format!("GET /ready HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Whoever listens on every address is asked on the loopback one.
fn reachable(admin: SocketAddr) -> SocketAddr {
    let ip = match admin.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, admin.port())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// What a probe says of a server that answers so, once.
    fn probe(answer: &'static str) -> Result<(), String> {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = SocketAddr::from((Ipv4Addr::UNSPECIFIED, server.local_addr().unwrap().port()));
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            // To its end, however many parts it comes in: bytes that nobody read would reset the connection.
            let request = BufReader::new(&stream).lines().map(Result::unwrap);
            assert!(request.take_while(|line| !line.is_empty()).count() > 0);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let said = ask(admin);
        serving.join().unwrap();
        said
    }

    #[test]
    fn a_probe_says_what_ready_says() {
        assert_eq!(probe("HTTP/1.0 200 OK\r\n\r\n{}"), Ok(()));
        let said = probe("HTTP/1.0 503 Service Unavailable\r\n\r\n{\"ready\":false}");
        assert_eq!(said, Err("not ready: {\"ready\":false}".to_owned()));
    }

    #[test]
    fn nobody_there_is_not_ready() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(ask(free).unwrap_err().contains("can't be asked"));
    }
}
