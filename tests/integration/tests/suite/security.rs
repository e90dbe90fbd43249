//! Real Apache Kafka with TLS, SCRAM logins and ACLs: every program works with the permissions of `deploy/kafka/acls.txt` alone,
//! and reports the cause before it exits if it is denied access.

use std::path::{Path, PathBuf};
use std::time::Duration;

use contracts::{Topic, encode};
use integration::certificate_authority::{CertificateAuthority, Validity};
use integration::{
    Binaries, Ended, Registry, SecureBroker, Service, User, free_port, real_parts_missing, request,
    run_to_end, vectors_of,
};
use kafka_io::KafkaConfig;
use tempfile::TempDir;

use crate::alerts;

/// A debug build on two shared cores takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(240);

const OK: i32 = 0;
const ACCESS_DENIED: i32 = 7;

/// A month of sessions.
const PERIOD: [&str; 4] = ["--from", "2012-06-01", "--to", "2012-06-29"];

const PUBLISHER: User = User { name: "tapeline-publisher", password: "pw-publisher" };
const BRIDGE: User = User { name: "tapeline-scanner-bridge", password: "pw-bridge" };
const FEATURE: User = User { name: "tapeline-feature", password: "pw-feature" };
const BACKFILL: User = User { name: "tapeline-backfill", password: "pw-backfill" };
const OPERATOR: User = User { name: "tapeline-operator", password: "pw-operator" };

/// A cluster with access control, the registry, and the folder of this test.
struct Secured {
    binaries: Binaries,
    cluster: SecureBroker,
    registry: Registry,
    folder: TempDir,
}

#[test]
fn services_work_with_listed_permissions_and_report_denials() {
    if real_parts_missing() {
        return;
    }
    let secured = Secured::start();
    let edge = free_port().unwrap();
    let mut services = secured.start_services(edge);
    secured.replay(edge);
    for service in &mut services {
        let code = service.terminate().unwrap();
        assert_eq!(code, Some(OK), "{} after SIGTERM: {}", service.name(), service.process().excerpt());
    }
    drop(services);

    wrong_password_is_reported(&secured);
    invalid_server_certificate_is_reported(&secured);
    client_certificate_is_a_login_and_an_invalid_one_is_reported(&secured);
    missing_permission_at_start_is_reported(&secured);
    removed_permission_ends_a_running_service_with_the_cause(&secured);
    deleted_login_ends_a_running_service_with_the_cause(&secured);
}

#[test]
fn permissions_are_for_topics_of_the_contract_only() {
    let permissions = include_str!("../../../../deploy/kafka/acls.txt");
    let mut topics = 0;
    for line in permissions.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        if words.nth(2) == Some("topic") {
            for name in words {
                let prefix = name.strip_suffix('*');
                let is_known = Topic::ALL.iter().any(|topic| match prefix {
                    Some(prefix) => topic.name().starts_with(prefix),
                    None => topic.name() == name,
                });
                assert!(is_known, "{name} is no topic of the contract: {line}");
                topics += 1;
            }
        }
    }
    assert!(topics > 20, "only {topics} were read");
}

fn wrong_password_is_reported(secured: &Secured) {
    let wrong = User { password: "guess", ..FEATURE };
    let config = secured.kafka(wrong, &secured.cluster.address, &secured.cluster.ca_file);
    let ended = secured.run("feature", "wrong-password", &config);
    assert_access_denied(&ended, &["\"tapeline-feature\"", "uthentication failed"]);
    let mut command = secured.binaries.command("tapeline");
    command.args(["topics", "apply", "--kafka-config"]).arg(secured.write("guess.toml", &config));
    let ended = run_to_end("tapeline-guess", command, secured.folder(), LIMIT).unwrap();
    assert_eq!(ended.code, Some(ACCESS_DENIED), "{}", ended.printed);
    assert!(ended.printed.contains("uthentication failed"), "{}", ended.printed);
    assert!(!ended.printed.contains("guess\""), "{}", ended.printed);
}

fn invalid_server_certificate_is_reported(secured: &Secured) {
    let cluster = &secured.cluster;
    let config = secured.kafka(FEATURE, &cluster.expired_address, &cluster.ca_file);
    let ended = secured.run("feature", "expired", &config);
    assert_access_denied(&ended, &["certificate has expired", &cluster.expired_address]);
    let other = CertificateAuthority::new("other").unwrap().write(secured.folder(), "other.pem").unwrap();
    let ended = secured.run("feature", "untrusted", &secured.kafka(FEATURE, &cluster.address, &other));
    assert_access_denied(&ended, &["is not trusted", &cluster.address]);
}

fn client_certificate_is_a_login_and_an_invalid_one_is_reported(secured: &Secured) {
    let issued = |issuer: &CertificateAuthority, case: &str, name: &str, validity| {
        let folder = secured.folder().join(case);
        std::fs::create_dir(&folder).unwrap();
        secured.mutual(Some(&issuer.issue(&folder, name, validity).unwrap()))
    };
    let authority = &secured.cluster.authority;
    let sections = issued(authority, "valid", FEATURE.name, Validity::Today) + &secured.registry_section();
    let mut feature = Service::start(&secured.binaries, "feature", &sections, secured.folder()).unwrap();
    feature.wait_until_ready().unwrap();
    assert_eq!(feature.terminate().unwrap(), Some(OK), "{}", feature.process().excerpt());

    let other = CertificateAuthority::new("other").unwrap();
    for (case, config) in [
        ("no-certificate", secured.mutual(None)),
        ("expired-certificate", issued(authority, "late", FEATURE.name, Validity::Expired)),
        ("untrusted-certificate", issued(&other, "untrusted", FEATURE.name, Validity::Today)),
    ] {
        let ended = secured.run("feature", case, &config);
        assert_access_denied(&ended, &["certificate", &secured.cluster.mutual_address]);
    }
    // A valid certificate of a principal without permissions.
    let guest = short_topics_wait(&issued(authority, "guest", "guest", Validity::Today));
    let ended = secured.run("feature", "guest", &guest);
    assert_access_denied(&ended, &["uthorization"]);
}

fn missing_permission_at_start_is_reported(secured: &Secured) {
    let topic = Topic::VectorComputed.name();
    let config = secured.kafka(FEATURE, &secured.cluster.address, &secured.cluster.ca_file);
    let config = short_topics_wait(&config);
    let permissions: [(&str, &[&str]); 4] = [
        ("Write", &["--topic", topic]),
        ("Read", &["--topic", Topic::BatchUrgent.name()]),
        ("Read", &["--group", "tapeline.feature"]),
        ("Write", &["--transactional-id", "tapeline.feature-", "--resource-pattern-type", "prefixed"]),
    ];
    for (operation, resource) in permissions {
        secured.change("--remove", FEATURE, operation, resource);
        let ended = secured.run("feature", &format!("without-{operation}{}", resource[0]), &config);
        // The error names the group that the transactional id belongs to.
        assert_access_denied(
            &ended,
            &["\"tapeline-feature\"", resource[1].trim_end_matches('-'), "uthorization"],
        );
        secured.change("--add", FEATURE, operation, resource);
    }
}

/// Missing permissions to read the input and the group are detected immediately, those to write with the next output.
fn removed_permission_ends_a_running_service_with_the_cause(secured: &Secured) {
    let permissions: [(&str, &[&str], &str); 4] = [
        ("Read", &["--topic", Topic::AlertRaised.name()], "TopicAuthorizationFailed"),
        ("Read", &["--group", "tapeline.scanner-bridge"], "GroupAuthorizationFailed"),
        ("Write", &["--topic", Topic::BatchUrgent.name()], "TopicAuthorizationFailed"),
        (
            "Write",
            &["--transactional-id", "tapeline.scanner-bridge-", "--resource-pattern-type", "prefixed"],
            "TransactionalIdAuthorizationFailed",
        ),
    ];
    for (number, (operation, resource, cause)) in permissions.into_iter().enumerate() {
        let mut bridge = secured.bridge(&format!("without-{operation}-{number}"));
        secured.change("--remove", BRIDGE, operation, resource);
        secured.raise(number);
        let code = bridge.process().wait(LIMIT).unwrap().code();
        assert_eq!(code, Some(ACCESS_DENIED), "{operation} {resource:?}: {}", bridge.process().excerpt());
        assert_logged(&mut bridge, &["\"tapeline-scanner-bridge\"", cause]);
        secured.change("--add", BRIDGE, operation, resource);
    }
}

fn deleted_login_ends_a_running_service_with_the_cause(secured: &Secured) {
    let mut bridge = secured.bridge("without-login");
    secured.cluster.delete_login(BRIDGE).unwrap();
    let code = bridge.process().wait(LIMIT).unwrap().code();
    assert_eq!(code, Some(ACCESS_DENIED), "{}", bridge.process().excerpt());
    assert_logged(&mut bridge, &["\"tapeline-scanner-bridge\"", "uthentication failed"]);
}

// === impl Secured ===

impl Secured {
    /// Starts a cluster with the permissions of the file, topics and schemas.
    fn start() -> Self {
        let (binaries, folder) = (Binaries::built().unwrap(), TempDir::with_prefix("tapeline-").unwrap());
        let users = [PUBLISHER, BRIDGE, FEATURE, BACKFILL, OPERATOR];
        let cluster = SecureBroker::start(folder.path(), &users).unwrap();
        let registry = Registry::start(folder.path()).unwrap();
        let secured = Self { binaries, cluster, registry, folder };
        println!("{}", secured.cluster.apply_acls().unwrap());
        secured.operate("apply", &["topics", "apply", "--replication", "1"]);
        let registry = secured.registry.url();
        secured.operate("register", &["schemas", "register", "--registry", &registry]);
        secured
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Returns the section `kafka` for this user, with the password in a file.
    fn kafka(&self, user: User, address: &str, ca_file: &Path) -> String {
        let password = self.write(&format!("{}.{}", user.name, user.password), user.password);
        format!(
            "[kafka]\nbrokers = \"{address}\"\n\n[kafka.security]\nprotocol = \"sasl_ssl\"\nca_file = \"{}\"\n\
             username = \"{}\"\npassword = {{ file = \"{}\" }}\n\n",
            ca_file.display(),
            user.name,
            password.display()
        )
    }

    /// Returns the section `kafka` for the principal of this certificate.
    fn mutual(&self, certificate: Option<&Path>) -> String {
        let (address, ca_file) = (&self.cluster.mutual_address, self.cluster.ca_file.display());
        let own = certificate
            .map(Path::display)
            .map_or(String::new(), |file| format!("certificate_file = \"{file}\"\nkey_file = \"{file}\"\n"));
        format!(
            "[kafka]\nbrokers = \"{address}\"\n\n[kafka.security]\nprotocol = \"ssl\"\nca_file = \"{ca_file}\"\n{own}\n"
        )
    }

    /// Starts a scanner-bridge with its log in a separate folder and waits until it is ready.
    fn bridge(&self, case: &str) -> Service {
        let folder = self.folder().join(case);
        std::fs::create_dir(&folder).unwrap();
        let kafka = self.kafka(BRIDGE, &self.cluster.address, &self.cluster.ca_file);
        let sections = format!("{kafka}{}", self.registry_section());
        let mut bridge = Service::start(&self.binaries, "scanner-bridge", &sections, &folder).unwrap();
        bridge.wait_until_ready().unwrap();
        bridge
    }

    /// Writes an alert through the plain listener.
    fn raise(&self, number: usize) {
        let kafka = KafkaConfig { brokers: self.cluster.broker.address(), ..KafkaConfig::default() };
        let subject = Topic::AlertRaised.subject().unwrap();
        let path = format!("{}/subjects/{subject}/versions/latest", Registry::API);
        let latest = request(self.registry.port(), "GET", &path, "").unwrap().body;
        let latest: serde_json::Value = serde_json::from_str(&latest).unwrap();
        let (alert, mut payload) = (alerts::alert(number), Vec::new());
        encode(&alert, u32::try_from(latest["id"].as_u64().unwrap()).unwrap(), &mut payload).unwrap();
        alerts::produce(&kafka, vec![alerts::record(&alert.symbol, kafka.partitions, payload)]);
    }

    fn registry_section(&self) -> String {
        format!("[registry]\nurl = \"{}\"\n\n", self.registry.url())
    }

    /// Runs an operator's command and asserts that it succeeds.
    fn operate(&self, log: &str, arguments: &[&str]) {
        let kafka = self.kafka(OPERATOR, &self.cluster.address, &self.cluster.ca_file);
        let mut command = self.binaries.command("tapeline");
        command.args(arguments).arg("--kafka-config").arg(self.write("operator.toml", &kafka));
        let ended = run_to_end(log, command, self.folder(), LIMIT).unwrap();
        assert_eq!(ended.code, Some(OK), "tapeline {}: {}", arguments.join(" "), ended.printed);
    }

    /// Starts the four services, each as its own user, and waits until they are ready.
    fn start_services(&self, edge: u16) -> Vec<Service> {
        let source = format!(
            "[executor]\ntimeframes = [\"1day\"]\n\n[source]\nkind = \"csv\"\nfolder = \"{}\"\n",
            bars().display()
        );
        let sections = [
            ("publisher", PUBLISHER, format!("[edge]\nlisten = \"127.0.0.1:{edge}\"\n")),
            ("scanner-bridge", BRIDGE, String::new()),
            ("feature", FEATURE, String::new()),
            ("backfill", BACKFILL, source),
        ];
        let start = |(name, user, own): (&'static str, User, String)| {
            let kafka = self.kafka(user, &self.cluster.address, &self.cluster.ca_file);
            let sections = format!("{kafka}{}{own}", self.registry_section());
            Service::start(&self.binaries, name, &sections, self.folder()).unwrap()
        };
        let mut services: Vec<Service> = sections.into_iter().map(start).collect();
        for service in &mut services {
            service.wait_until_ready().unwrap();
        }
        services
    }

    /// Replays a month of the market and asserts that the findings result in vectors without differences.
    fn replay(&self, edge: u16) {
        let vectors = self.folder().join("vectors.ndjson");
        let (registry, edge, bars) = (self.registry.url(), format!("127.0.0.1:{edge}"), bars());
        let mut arguments = vec!["replay", "--speed", "max", "--registry", &registry, "--edge", &edge];
        arguments.extend(PERIOD);
        arguments.extend(["--bars", bars.to_str().unwrap(), "--vectors", vectors.to_str().unwrap()]);
        self.operate("replay", &arguments);
        assert!(!vectors_of(&vectors).unwrap().is_empty(), "no vectors");
    }

    /// Runs a service that cannot start until it exits.
    fn run(&self, name: &str, case: &str, kafka: &str) -> Ended {
        let process = "[process]\nadmin = \"127.0.0.1:0\"\nlogs.format = \"text\"\n\n";
        let text = format!("{process}{kafka}{}", self.registry_section());
        let mut command = self.binaries.command(name);
        command.arg("--config").arg(self.write(&format!("{case}.toml"), &text));
        run_to_end(&format!("{name}-{case}"), command, self.folder(), LIMIT).unwrap()
    }

    /// Adds or removes a permission.
    fn change(&self, change: &str, user: User, operation: &str, resource: &[&str]) {
        let principal = format!("User:{}", user.name);
        let mut arguments =
            vec![change, "--force", "--allow-principal", &principal, "--operation", operation];
        arguments.extend(resource);
        self.cluster.acls(&arguments).unwrap();
    }
}

/// Returns the section with a short wait for permissions that are granted later.
fn short_topics_wait(kafka: &str) -> String {
    kafka.replacen("[kafka]\n", "[kafka]\ntopics_wait_ms = 1000\n", 1)
}

fn bars() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/bars")
}

fn assert_logged(service: &mut Service, parts: &[&str]) {
    let printed = service.process().printed().unwrap();
    println!("{}", printed.lines().find(|line| line.contains("access denied by")).unwrap_or_default());
    for part in parts {
        assert!(printed.contains(part), "{part:?} is missing in: {}", service.process().excerpt());
    }
}

fn assert_access_denied(ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.code, Some(ACCESS_DENIED), "{}", ended.printed);
    for part in parts {
        assert!(ended.printed.contains(part), "{part:?} is missing in: {}", ended.printed);
    }
    let cause = ended.printed.lines().find(|line| line.contains("access denied by"));
    println!("{}", cause.unwrap_or_default());
    for user in [FEATURE, BRIDGE] {
        assert!(!ended.printed.contains(user.password), "a password was printed: {}", ended.printed);
    }
}
