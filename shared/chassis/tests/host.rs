//! Several services in one process: one admin server and one scrape; each service becomes ready and drains separately.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use chassis::admin::Version;
use chassis::config::{ErrorCollector, Validate};
use chassis::run::Process;
use chassis::telemetry::{Catalogue, Metric};
use chassis::{Context, EndPolicy, Exit, Failure, Host, Service, Shutdown};
use serde::{Deserialize, Serialize};

const STARTS: Metric = Metric::counter("demo_started_stages_total", "stages", "Started stages.");

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Config {
    depth: u32,
    process: Process,
}

impl Validate for Config {
    fn validate(&self, _: &mut ErrorCollector) {}
}

struct Upstream;
struct Downstream;

async fn start(context: Context) -> Result<(), Failure> {
    context.metrics.counter(&STARTS, &[]).increment(1);
    let shutdown = context.shutdown.clone();
    context.tasks.spawn("stage", EndPolicy::MustRun, async move {
        shutdown.begun().await;
        Ok(())
    });
    Ok(())
}

macro_rules! service {
    ($service:ty, $name:literal) => {
        impl Service for $service {
            const NAME: &'static str = $name;
            const VERSION: &'static str = "0.0.1";
            type Config = Config;
            type Running = ();

            fn catalogue() -> Catalogue {
                Catalogue::new().with(&[STARTS])
            }

            fn process(config: &Config) -> &Process {
                &config.process
            }

            async fn start(_: Config, context: Context) -> Result<(), Failure> {
                start(context).await
            }
        }
    };
}

service!(Upstream, "upstream");
service!(Downstream, "downstream");

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn two_services_share_one_process_and_admin_server() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let process = Process { admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..Process::default() };
    let catalogue = Upstream::catalogue().and(&Downstream::catalogue());
    let version = Version { name: "demo", version: "0.0.1", features: &[] };
    let host = Host::start(&process, &catalogue, version, runtime.handle().clone(), Shutdown::new()).unwrap();
    let admin = host.admin().address();

    let upstream = host.context(Upstream::NAME, Shutdown::new());
    let downstream = host.context(Downstream::NAME, Shutdown::new());
    runtime.block_on(host.launch::<Upstream>(Config { depth: 1, ..Config::default() }, &upstream)).unwrap();
    let waiting = get(admin, "/ready");
    assert!(waiting.starts_with("HTTP/1.1 503"), "{waiting}");
    assert!(waiting.contains(r#"{"downstream":{"start":"starting"}}"#), "{waiting}");
    runtime
        .block_on(host.launch::<Downstream>(Config { depth: 2, ..Config::default() }, &downstream))
        .unwrap();
    assert!(get(admin, "/ready").starts_with("HTTP/1.1 200"));

    let scrape = get(admin, "/metrics");
    for service in ["upstream", "downstream"] {
        let line = format!("demo_started_stages_total{{service=\"{service}\"}} 1");
        assert!(scrape.contains(&line), "{line} is missing in\n{scrape}");
    }
    let known = Catalogue::new().with(chassis::run::METRICS).and(&catalogue);
    assert_eq!(known.undeclared(&scrape), [""; 0]);
    assert!(get(admin, "/config/downstream").contains("\"depth\":2"));

    let ended = runtime.block_on(upstream.drain(Duration::from_secs(60)));
    assert_eq!(ended.exit(), Exit::Ok);
    assert!(get(admin, "/ready").contains(r#"{"upstream":{"start":"draining"}}"#));
    assert!(!downstream.shutdown.is_begun(), "each service has its own shutdown token");
    assert_eq!(runtime.block_on(downstream.drain(Duration::from_secs(60))).exit(), Exit::Ok);
}
