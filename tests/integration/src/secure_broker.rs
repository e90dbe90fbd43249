//! A broker that requires a login over TLS and permissions by ACL.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::certificate_authority::{CertificateAuthority, Validity};
use crate::{Broker, free_port, script};

const ACL_COMMAND: &str = "org.apache.kafka.tools.AclCommand";
const CONFIG_COMMAND: &str = "kafka.admin.ConfigCommand";

/// Interval of reauthentication on an open connection: a client continues for at most this long after its login is deleted.
const REAUTHENTICATION_MS: u32 = 5_000;

/// A SCRAM login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The principal's name.
    pub name: &'static str,
    pub password: &'static str,
}

/// One broker with four listeners for clients: one with a login, one with a client certificate, one whose server certificate has
/// expired, and a plain one for the setup, whose clients are super users.
#[derive(Debug)]
pub struct SecureBroker {
    /// The broker, with the address of its plain listener.
    pub broker: Broker,
    /// The address for clients with a login, `host:port`.
    pub address: String,
    /// The same with an expired certificate.
    pub expired_address: String,
    /// The address for clients with a certificate, whose common name is the principal.
    pub mutual_address: String,
    /// The authority of its certificates and those of its clients.
    pub authority: CertificateAuthority,
    /// The certificate of that authority.
    pub ca_file: PathBuf,
}

// === impl SecureBroker ===

impl SecureBroker {
    /// Starts a broker with these logins and no permissions.
    ///
    /// # Errors
    /// It does not start in time; the error contains the end of its log.
    pub fn start(folder: &Path, users: &[User]) -> io::Result<Self> {
        let authority = CertificateAuthority::new("test authority")?;
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

    /// Adds the permissions of `deploy/kafka/acls.txt`, as an operator does.
    ///
    /// # Errors
    /// The script fails; the error contains its output.
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

    /// Changes single permissions, by the arguments of Kafka's command.
    ///
    /// # Errors
    /// The command fails; the error contains its output.
    pub fn acls(&self, change: &[&str]) -> io::Result<String> {
        self.broker.tool(ACL_COMMAND, change)
    }

    /// Deletes a user's login.
    ///
    /// # Errors
    /// The command fails; the error contains its output.
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
        format!("{mechanism}.connections.max.reauth.ms={REAUTHENTICATION_MS}"),
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
