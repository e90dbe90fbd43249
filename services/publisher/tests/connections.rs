//! The whole publisher on the embedded broker: the connections that it opens while it accepts findings.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::io::copy;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chassis::admin::Version;
use chassis::run::Process;
use chassis::telemetry::logs::LogSettings;
use chassis::{Exit, Host, Service, Shutdown};
use contracts::Topic;
use contracts::topics::DEFAULT_PARTITIONS;
use devstack::broker::EmbeddedBroker;
use devstack::registry::EmbeddedRegistry;
use hosting::{KafkaSection, RegistrySection};
use kafka_io::{KafkaConfig, RegistryConfig};
use publisher::config::PublisherConfig;
use publisher::service::Publisher;
use tokio::runtime::Handle;

const REQUESTS: usize = 100;

const ALERT: &str = r#"{"event":"scanner.alert.raised","symbol":"AAPL","alert_type":"momentum","score":0.5,"message":"m","source_scanner":"s"}"#;

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// The bootstrap address of a broker, to which each new client connects first.
struct Bootstrap {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Bootstrap {
    /// Forwards connections to `broker`. Its threads end with the process.
    fn of(broker: String) -> Self {
        let listener = TcpListener::bind(any_port()).unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(&broker) else { return };
                let ends = [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))];
                for (from, to) in ends {
                    std::thread::spawn(move || copy(&mut from.unwrap(), &mut to.unwrap()));
                }
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_share_the_connections_of_one_producer() {
    let topics: Vec<_> = Topic::ALL.iter().map(|topic| (topic.name(), DEFAULT_PARTITIONS)).collect();
    let broker = EmbeddedBroker::start(&topics).unwrap();
    let registry = EmbeddedRegistry::start(any_port()).await.unwrap();
    let bootstrap = Bootstrap::of(broker.bootstrap());
    let logs = LogSettings { filter: "warn".to_owned(), ..LogSettings::default() };
    let process = Process { admin: any_port(), logs, ..Process::default() };
    let mut config = PublisherConfig { process: process.clone(), ..PublisherConfig::default() };
    config.kafka = KafkaSection(KafkaConfig::embedded(&bootstrap.address.to_string()));
    config.registry = RegistrySection(RegistryConfig { url: registry.url(), ..RegistryConfig::default() });
    config.edge.listen = any_port();
    let version = Version { name: "publisher", version: Publisher::VERSION, features: &[] };
    let host = Host::start(&process, &Publisher::catalogue(), version, Handle::current(), Shutdown::new());
    let host = host.unwrap();
    let context = host.context(Publisher::NAME, Shutdown::new());
    let running = host.launch::<Publisher>(config, &context).await;
    let running = running.unwrap_or_else(|failure| panic!("{failure}"));

    let url = format!("http://{}/v1/findings", running.edge);
    let client = reqwest::Client::new();
    let post = async || client.post(&url).body(ALERT).send().await.unwrap().status().as_u16();
    assert_eq!(post().await, 200);
    let before = bootstrap.connections();
    for _ in 0..REQUESTS {
        assert_eq!(post().await, 200);
    }
    let opened = bootstrap.connections() - before;
    // The clients of the announcer may still be connecting.
    assert!(before >= 1 && opened < REQUESTS / 2, "{opened} connections for {REQUESTS} requests");
    assert_eq!(running.edge_counts.accepted(), REQUESTS as u64 + 1);
    assert_eq!(context.drain(Duration::from_secs(30)).await.exit(), Exit::Ok);
}
