//! Tests of the admin server over HTTP.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use chassis::admin::{Admin, Configs, Version, View};
use chassis::clock::ManualClock;
use chassis::health::Health;
use chassis::serve::ConnectionLimits;
use chassis::telemetry::{Catalogue, Metrics, poll_delay};
use serde_json::{Value, json};

struct Process {
    clock: Arc<ManualClock>,
    health: Health,
    metrics: Metrics,
    configs: Configs,
    admin: Admin,
}

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn limits() -> ConnectionLimits {
    chassis::run::Process::default().admin_limits()
}

fn process() -> Process {
    let clock = Arc::new(ManualClock::at(0));
    let health = Health::new(clock.clone());
    let metrics = Metrics::new(&Catalogue::new().with(chassis::run::METRICS)).unwrap();
    let configs = Configs::default();
    let view = View {
        health: health.clone(),
        metrics: metrics.clone(),
        configs: configs.clone(),
        version: Version { name: "tapeline", version: "1.2.3", features: &[] },
    };
    let admin = Admin::start(any_port(), limits(), view).unwrap();
    Process { clock, health, metrics, configs, admin }
}

/// Returns status and body of a GET request.
fn get(process: &Process, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(process.admin.address()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

fn get_json(process: &Process, path: &str) -> (u16, Value) {
    let (status, body) = get(process, path);
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
fn ready_lists_unready_components_until_all_are_ready() {
    let process = process();
    let bridge = process.health.service("scanner-bridge").component("start");
    let bars = process.health.service("feature").component("bars");
    bridge.ready();
    bars.not_ready("restoring, 40 %");
    let expected =
        json!({ "ready": false, "waiting": { "feature": { "bars": "restoring, 40 %" } }, "degraded": {} });
    assert_eq!(get_json(&process, "/ready"), (503, expected));
    bars.ready();
    assert_eq!(get_json(&process, "/ready"), (200, json!({ "ready": true, "waiting": {}, "degraded": {} })));
}

#[test]
fn live_is_503_after_a_missed_heartbeat() {
    let process = process();
    let _beat = process.health.service("feature").heartbeat("driver", Duration::from_secs(5));
    assert_eq!(get(&process, "/live").0, 200);
    process.clock.advance(Duration::from_secs(6));
    let late = json!([{ "service": "feature", "stage": "driver", "late_by_ms": 1_000 }]);
    assert_eq!(get_json(&process, "/live"), (503, json!({ "live": false, "late": late })));
}

#[test]
fn config_is_shown_per_service() {
    let process = process();
    process.configs.publish("feature", json!({ "workers": 4 }));
    process.configs.publish("backfill", json!({ "chunk_days": 7 }));
    let both = json!({ "feature": { "workers": 4 }, "backfill": { "chunk_days": 7 } });
    assert_eq!(get_json(&process, "/config"), (200, both));
    assert_eq!(get_json(&process, "/config/feature"), (200, json!({ "workers": 4 })));
    let (status, body) = get_json(&process, "/config/futures");
    assert_eq!((status, &body["services"]), (404, &json!(["backfill", "feature"])));
}

#[test]
fn metrics_and_version_are_served() {
    let process = process();
    process.metrics.process_scope().histogram(&poll_delay::POLL_DELAY, &[]).record(0.01);
    let (status, scrape) = get(&process, "/metrics");
    assert_eq!(status, 200);
    assert!(scrape.contains("chassis_runtime_poll_delay_seconds_count 1"), "{scrape}");
    assert_eq!(
        get_json(&process, "/version"),
        (200, json!({ "name": "tapeline", "version": "1.2.3", "features": [] }))
    );
}

#[test]
fn port_in_use_is_an_error_with_its_address() {
    let taken = TcpListener::bind(any_port()).unwrap();
    let address = taken.local_addr().unwrap();
    let process = process();
    let view = View {
        health: process.health.clone(),
        metrics: process.metrics.clone(),
        configs: Configs::default(),
        version: Version { name: "tapeline", version: "1.2.3", features: &[] },
    };
    let failure = chassis::Failure::from(Admin::start(address, limits(), view).unwrap_err());
    let text = failure.to_string();
    assert!(
        text.starts_with(&format!("failed to start the admin server: address {address} unavailable: ")),
        "{text}"
    );
    assert!(text.contains("in use"), "{text}");
}

/// Longer than any test.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn handler_that_blocks_does_not_block_the_end() {
    let process = process();
    let (entered, enters) = std::sync::mpsc::sync_channel(1);
    let (release, released) = std::sync::mpsc::sync_channel::<()>(1);
    let released = std::sync::Mutex::new(released);
    process.metrics.before_each_scrape(move || {
        entered.send(()).unwrap();
        let _end = released.lock().unwrap().recv();
    });
    let mut scrape = TcpStream::connect(process.admin.address()).unwrap();
    scrape.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    enters.recv_timeout(LONG).unwrap();
    let (end, ended) = std::sync::mpsc::sync_channel(1);
    let ends = std::thread::spawn(move || {
        drop(process);
        end.send(()).unwrap();
    });
    ended.recv_timeout(LONG).unwrap();
    drop(release);
    ends.join().unwrap();
}

#[test]
fn half_open_connections_do_not_block_probes() {
    let process = process();
    let open = |_| {
        let mut stream = TcpStream::connect(process.admin.address()).unwrap();
        stream.write_all(b"GET /live HTTP/1.1\r\nHost:").unwrap();
        stream
    };
    let held: Vec<TcpStream> = (0..200).map(open).collect();
    assert_eq!(get(&process, "/live").0, 200);
    drop(process);
    drop(held);
}
