//! A broker that lets nobody in without a login over TLS, nor do what its access rules don't say.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::authority::{Authority, Validity};
use crate::{Broker, free_port, script};

const ACL_COMMAND: &str = "org.apache.kafka.tools.AclCommand";

/// A login that the broker knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The principal's name.
    pub name: &'static str,
    /// Its password.
    pub password: &'static str,
}

/// One broker. Beside the listener for clients it has one whose certificate has expired, and a plain one for setting it up: whoever
/// comes by that is a super user.
#[derive(Debug)]
pub struct SecureBroker {
    /// The broker, by its plain listener.
    pub broker: Broker,
    /// Where clients come in, `host:port`.
    pub address: String,
    /// The same with a certificate that has expired.
    pub expired_address: String,
    /// The authority that vouches for its certificates.
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
        let good = authority.issue(folder, "broker.pem", Validity::Today)?;
        let expired = authority.issue(folder, "expired.pem", Validity::Expired)?;
        let (plain, controller, port, expired_port) =
            (free_port()?, free_port()?, free_port()?, free_port()?);
        let mut settings = vec![
            format!(
                "listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},\
                 SECURE://127.0.0.1:{port},EXPIRED://127.0.0.1:{expired_port}"
            ),
            format!(
                "advertised.listeners=PLAINTEXT://127.0.0.1:{plain},\
                 SECURE://127.0.0.1:{port},EXPIRED://127.0.0.1:{expired_port}"
            ),
            "listener.security.protocol.map=\
             PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,EXPIRED:SASL_SSL"
                .to_owned(),
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
            "super.users=User:ANONYMOUS".to_owned(),
            "sasl.enabled.mechanisms=SCRAM-SHA-512".to_owned(),
        ];
        settings.extend(listener("secure", &good));
        settings.extend(listener("expired", &expired));
        let login = |user: &User| format!("SCRAM-SHA-512=[name={},password={}]", user.name, user.password);
        let settings = settings.into_iter().map(|setting| ["--set".to_owned(), setting]);
        let logins = users.iter().map(|user| ["--add-scram".to_owned(), login(user)]);
        let arguments = settings.chain(logins).flatten().collect();
        let broker = Broker::start_on(folder, (plain, controller), arguments)?;
        let (address, expired_address) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{expired_port}"));
        Ok(Self { broker, address, expired_address, ca_file })
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
}

fn listener(name: &str, keystore: &Path) -> [String; 3] {
    [
        format!("listener.name.{name}.ssl.keystore.type=PEM"),
        format!("listener.name.{name}.ssl.keystore.location={}", keystore.display()),
        format!(
            "listener.name.{name}.scram-sha-512.sasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
    ]
}
