//! A real registry with TLS and a login: a client with both has access, and each program reports why any other client is denied
//! access.

use std::path::{Path, PathBuf};
use std::time::Duration;

use integration::certificate_authority::{CertificateAuthority, Validity};
use integration::{Binaries, Ended, Registry, Service, Stack, TlsProxy, real_parts_missing, run_to_end};

/// A debug build on two shared cores takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(120);

const OK: i32 = 0;
const ACCESS_DENIED: i32 = 7;

const USER: &str = "tapeline";
const PASSWORD: &str = "pw-registry";

#[test]
fn registry_with_tls_and_login_denies_access_without_them() {
    if real_parts_missing() {
        return;
    }
    let secured = Secured::start();
    let good = secured.section(secured.good, &secured.ca_file, &login(PASSWORD));
    let commands: [&[&str]; 3] =
        [&["topics", "apply", "--replication", "1"], &["schemas", "register"], &["schemas", "check"]];
    for arguments in commands {
        let ended = secured.operate(arguments, &good);
        assert_eq!(ended.code, Some(OK), "tapeline {}: {}", arguments.join(" "), ended.printed);
    }
    let mut bridge =
        Service::start(&secured.binaries, "scanner-bridge", &secured.sections(&good), secured.stack.folder())
            .unwrap();
    bridge.wait_until_ready().unwrap();
    assert_eq!(bridge.terminate().unwrap(), Some(OK), "{}", bridge.process().excerpt());

    let untrusted =
        CertificateAuthority::new("other").unwrap().write(secured.stack.folder(), "untrusted.pem").unwrap();
    let url = format!("https://127.0.0.1:{}", secured.good);
    for (case, section, cause) in [
        ("no-login", secured.section(secured.good, &secured.ca_file, ""), "401 Unauthorized"),
        ("wrong", secured.section(secured.good, &secured.ca_file, &login("guess")), "401 Unauthorized"),
        (
            "untrusted",
            secured.section(secured.good, &untrusted, &login(PASSWORD)),
            "certificate verify failed",
        ),
    ] {
        secured.assert_access_denied(case, &section, &[&url, cause]);
    }
    let expired = secured.section(secured.expired, &secured.ca_file, &login(PASSWORD));
    secured.assert_access_denied("expired", &expired, &["certificate has expired"]);
}

fn login(password: &str) -> String {
    format!("username = \"{USER}\"\npassword = \"{password}\"\n")
}

/// A broker without and a registry with access control.
struct Secured {
    binaries: Binaries,
    stack: Stack,
    ca_file: PathBuf,
    /// The port of a proxy with a valid certificate.
    good: u16,
    /// The port of a proxy with an expired certificate.
    expired: u16,
}

impl Secured {
    fn start() -> Self {
        let stack = Stack::start().unwrap();
        let authority = CertificateAuthority::new("test").unwrap();
        let proxy = |name: &str, validity| {
            let certificate = authority.issue(stack.folder(), name, validity).unwrap();
            TlsProxy::start(stack.registry.port(), &certificate, USER, PASSWORD).unwrap().port()
        };
        let (good, expired) = (proxy("good", Validity::Today), proxy("expired", Validity::Expired));
        let ca_file = authority.write(stack.folder(), "ca.pem").unwrap();
        Self { binaries: Binaries::built().unwrap(), stack, ca_file, good, expired }
    }

    fn section(&self, port: u16, ca_file: &Path, login: &str) -> String {
        format!(
            "[registry]\nurl = \"https://127.0.0.1:{port}{}\"\nca_file = \"{}\"\n{login}\n",
            Registry::API,
            ca_file.display()
        )
    }

    fn sections(&self, registry: &str) -> String {
        format!("[kafka]\nbrokers = \"{}\"\n\n{registry}", self.stack.broker.address())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.stack.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs an operator's command until it exits.
    fn operate(&self, arguments: &[&str], registry: &str) -> Ended {
        let mut command = self.binaries.command("tapeline");
        command
            .args(arguments)
            .arg("--kafka-config")
            .arg(self.write("tapeline.toml", &self.sections(registry)));
        run_to_end(&format!("tapeline-{}", arguments[1]), command, self.stack.folder(), LIMIT).unwrap()
    }

    /// Asserts that a service and an operator's command are denied access and report the cause.
    fn assert_access_denied(&self, case: &str, registry: &str, parts: &[&str]) {
        let process = "[process]\nadmin = \"127.0.0.1:0\"\nlogs.format = \"text\"\n\n";
        let config = self.write(&format!("{case}.toml"), &format!("{process}{}", self.sections(registry)));
        let mut command = self.binaries.command("scanner-bridge");
        command.arg("--config").arg(config);
        let bridge =
            run_to_end(&format!("scanner-bridge-{case}"), command, self.stack.folder(), LIMIT).unwrap();
        let operator = self.operate(&["schemas", "register"], registry);
        let checked = self.operate(&["schemas", "check"], registry);
        for ended in [bridge, operator, checked] {
            assert_eq!(ended.code, Some(ACCESS_DENIED), "{case}: {}", ended.printed);
            for part in parts {
                assert!(ended.printed.contains(part), "{part:?} is missing in: {}", ended.printed);
            }
            for secret in [PASSWORD, "guess"] {
                assert!(!ended.printed.contains(secret), "a password was printed: {}", ended.printed);
            }
        }
    }
}
