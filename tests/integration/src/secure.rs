//! A broker that lets nobody in without a login over TLS, nor do what its access rules don't say.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::authority::{Authority, Validity};
use crate::{Broker, free_port, script};

const ACL_COMMAND: &str = "org.apache.kafka.tools.AclCommand";
const CONFIG_COMMAND: &str = "kafka.admin.ConfigCommand";

/// How often a login is asked for again over a connection that is open: so long may one that is deleted go on.
const LOGIN_LASTS_MS: u32 = 5_000;

/// A login that the broker knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The principal's name.
    pub name: &'static str,
    /// Its password.
    pub password: &'static str,
}

/// One broker. Beside the listener for clients with a login it has one for clients with a certificate, one whose own certificate has
/// expired, and a plain one for setting it up: whoever comes by that is a super user.
#[derive(Debug)]
pub struct SecureBroker {
    /// The broker, by its plain listener.
    pub broker: Broker,
    /// Where clients come in, `host:port`.
    pub address: String,
    /// The same with a certificate that has expired.
    pub expired_address: String,
    /// Where clients come in by a certificate: the principal is its common name.
    pub mutual_address: String,
    /// The authority that vouches for its certificates, and for those of clients.
    pub authority: Authority,
    /// That authority's own certificate.
    pub ca_file: PathBuf,
}

// === impl SecureBroker ===

impl SecureBroker {
    /// Starts it with these logins and no rights.
    ///
    /// # Errors
    /// When it doesn't start, with the end of its log.
    pub fn start(folder: &Path, users: &[User]) -> io::Result<Self> {
        let authority = Authority::new("authority of this test")?;
        let ca_file = authority.write(folder, "ca.pem")?;
        let good = authority.issue(folder, "broker", Validity::Today)?;
        let expired = authority.issue(folder, "expired", Validity::Expired)?;
        let (plain, controller) = (free_port()?, free_port()?);
        let [address, expired_address, mutual_address] =
            [free_port()?, free_port()?, free_port()?].map(|port| format!("127.0.0.1:{port}"));
        let clients = format!("SECURE://{address},EXPIRED://{expired_address},MUTUAL://{mutual_address}");
        let mut settings = vec![
            format!("listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},{clients}"),
            format!("advertised.listeners=PLAINTEXT://127.0.0.1:{plain},{clients}"),
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,\
             SECURE:SASL_SSL,EXPIRED:SASL_SSL,MUTUAL:SSL"
                .to_owned(),
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
            "super.users=User:ANONYMOUS".to_owned(),
            "sasl.enabled.mechanisms=SCRAM-SHA-512".to_owned(),
        ];
        settings.extend(certificate("secure", &good));
        settings.extend(login("secure"));
        settings.extend(certificate("expired", &expired));
        settings.extend(login("expired"));
        settings.extend(certificate("mutual", &good));
        settings.extend(client_certificate("mutual", &ca_file));
        let scram = |user: &User| format!("SCRAM-SHA-512=[name={},password={}]", user.name, user.password);
        let settings = settings.into_iter().map(|setting| ["--set".to_owned(), setting]);
        let logins = users.iter().map(|user| ["--add-scram".to_owned(), scram(user)]);
        let arguments = settings.chain(logins).flatten().collect();
        let broker = Broker::start_on(folder, (plain, controller), arguments)?;
        Ok(Self { broker, address, expired_address, mutual_address, authority, ca_file })
    }

    /// Gives the rights of `deploy/kafka/acls.txt`, as an operator does.
    ///
    /// # Errors
    /// When that fails, with what was printed.
    pub fn apply_acls(&self) -> io::Result<String> {
        let apply = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kafka/apply-acls");
        let output = Command::new(apply)
            .args(["--bootstrap-server", &self.broker.address()])
            .env("KAFKA_ACLS", format!("{} tool {ACL_COMMAND}", script("kafka").display()))
            .output()?;
        let printed =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(printed) } else { Err(io::Error::other(printed)) }
    }

    /// Changes single rights: the arguments of Kafka's command, as `--remove` and what names the right.
    ///
    /// # Errors
    /// When the command fails, with what it printed.
    pub fn acls(&self, change: &[&str]) -> io::Result<String> {
        self.broker.tool(ACL_COMMAND, change)
    }

    /// Deletes a user's login.
    ///
    /// # Errors
    /// When the command fails, with what it printed.
    pub fn delete_login(&self, user: User) -> io::Result<String> {
        let change = ["--alter", "--entity-type", "users", "--delete-config", "SCRAM-SHA-512"];
        let change = [&change[..], &["--entity-name", user.name]].concat();
        self.broker.tool(CONFIG_COMMAND, &change)
    }
}

fn certificate(listener: &str, keystore: &Path) -> [String; 2] {
    [
        format!("listener.name.{listener}.ssl.keystore.type=PEM"),
        format!("listener.name.{listener}.ssl.keystore.location={}", keystore.display()),
    ]
}

fn login(listener: &str) -> [String; 2] {
    let mechanism = format!("listener.name.{listener}.scram-sha-512");
    [
        format!(
            "{mechanism}.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        format!("{mechanism}.connections.max.reauth.ms={LOGIN_LASTS_MS}"),
    ]
}

fn client_certificate(listener: &str, ca_file: &Path) -> [String; 4] {
    [
        format!("listener.name.{listener}.ssl.client.auth=required"),
        format!("listener.name.{listener}.ssl.truststore.type=PEM"),
        format!("listener.name.{listener}.ssl.truststore.location={}", ca_file.display()),
        format!("listener.name.{listener}.ssl.principal.mapping.rules=RULE:^CN=(.*)$/$1/"),
    ]
}
