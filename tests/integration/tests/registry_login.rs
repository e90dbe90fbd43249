//! A real registry behind TLS of our own authority and a login: who has both comes in, and what keeps anybody else out is named by each
//! program before it ends.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use integration::authority::{Authority, Validity};
use integration::{Binaries, Ended, Front, Registry, Service, Stack, real_parts_missing, run_to_end};

/// A debug build on two shared cores takes a tenth of it.
const LIMIT: Duration = Duration::from_secs(120);

const OK: i32 = 0;
const REFUSED: i32 = 7;

const USER: &str = "tapeline";
const PASSWORD: &str = "pw-registry";

#[test]
fn a_registry_behind_tls_and_a_login_lets_in_who_has_both_and_every_other_is_told_why() {
    if real_parts_missing() {
        return;
    }
    let closed = Closed::start();
    let good = closed.section(closed.good, &closed.ca_file, &login(PASSWORD));
    let commands: [&[&str]; 3] =
        [&["topics", "apply", "--replication", "1"], &["schemas", "register"], &["schemas", "check"]];
    for arguments in commands {
        let ended = closed.operate(arguments, &good);
        assert_eq!(ended.code, Some(OK), "tapeline {}: {}", arguments.join(" "), ended.printed);
    }
    let mut bridge =
        Service::start(&closed.binaries, "scanner-bridge", &closed.sections(&good), closed.stack.folder())
            .unwrap();
    bridge.wait_until_ready().unwrap();
    assert_eq!(bridge.terminate().unwrap(), Some(OK), "{}", bridge.process().excerpt());

    let strange =
        Authority::new("somebody else").unwrap().write(closed.stack.folder(), "strange.pem").unwrap();
    let url = format!("https://127.0.0.1:{}", closed.good);
    for (case, section, cause) in [
        ("no-login", closed.section(closed.good, &closed.ca_file, ""), "401 Unauthorized"),
        ("wrong", closed.section(closed.good, &closed.ca_file, &login("guess")), "401 Unauthorized"),
        ("strange", closed.section(closed.good, &strange, &login(PASSWORD)), "certificate verify failed"),
    ] {
        closed.is_kept_out(case, &section, &[&url, cause]);
    }
    let expired = closed.section(closed.expired, &closed.ca_file, &login(PASSWORD));
    closed.is_kept_out("expired", &expired, &["certificate has expired"]);
}

fn login(password: &str) -> String {
    format!("username = \"{USER}\"\npassword = \"{password}\"\n")
}

/// An open broker and a closed registry.
struct Closed {
    binaries: Binaries,
    stack: Stack,
    ca_file: PathBuf,
    /// The port of a front with a good certificate.
    good: u16,
    /// And of one whose certificate has expired.
    expired: u16,
}

impl Closed {
    fn start() -> Self {
        let stack = Stack::start().unwrap();
        let authority = Authority::new("ours").unwrap();
        let front = |name: &str, validity| {
            let certificate = authority.issue(stack.folder(), name, validity).unwrap();
            Front::start(stack.registry.port(), &certificate, USER, PASSWORD).unwrap().port()
        };
        let (good, expired) = (front("good", Validity::Today), front("expired", Validity::Expired));
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

    /// Runs a command of the operator's to its end.
    fn operate(&self, arguments: &[&str], registry: &str) -> Ended {
        let mut command = self.binaries.command("tapeline");
        command
            .args(arguments)
            .arg("--kafka-config")
            .arg(self.write("tapeline.toml", &self.sections(registry)));
        run_to_end(&format!("tapeline-{}", arguments[1]), command, self.stack.folder(), LIMIT).unwrap()
    }

    /// Neither a service nor the operator comes in, and each says why.
    fn is_kept_out(&self, case: &str, registry: &str, said: &[&str]) {
        let process = "[process]\nadmin = \"127.0.0.1:0\"\nlogs.format = \"text\"\n\n";
        let config = self.write(&format!("{case}.toml"), &format!("{process}{}", self.sections(registry)));
        let mut command = self.binaries.command("scanner-bridge");
        command.arg("--config").arg(config);
        let bridge =
            run_to_end(&format!("scanner-bridge-{case}"), command, self.stack.folder(), LIMIT).unwrap();
        let operator = self.operate(&["schemas", "register"], registry);
        let checked = self.operate(&["schemas", "check"], registry);
        for ended in [bridge, operator, checked] {
            assert_eq!(ended.code, Some(REFUSED), "{case}: {}", ended.printed);
            for part in said {
                assert!(ended.printed.contains(part), "{part:?} is not in: {}", ended.printed);
            }
            for secret in [PASSWORD, "guess"] {
                assert!(!ended.printed.contains(secret), "a password was printed: {}", ended.printed);
            }
        }
    }
}
