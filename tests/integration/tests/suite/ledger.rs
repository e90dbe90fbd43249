//! Two backfill services with a ledger in one database, of which one is killed: each job and each series is in the ledger once.

use std::time::Duration;

use integration::{
    Binaries, Postgres, Service, Stack, postgres_missing, real_parts_missing, run_to_end, wait_until,
};

/// The session and the transaction of a killed member expire after 15 s each; the machine is busy and runs two JVMs.
const LIMIT: Duration = Duration::from_secs(180);
const SYMBOLS: usize = 60;

fn backfill(binaries: &Binaries, stack: &Stack, server: &Postgres, ordinal: u32) -> Service {
    let sections = format!(
        "[kafka]\nbrokers = \"{}\"\nordinal = {ordinal}\n\n[registry]\nurl = \"{}\"\n\n[source]\nkind = \"synthetic\"\n\n\
         [ledger]\nkind = \"postgres\"\nurl = \"{}\"\n",
        stack.broker.address(),
        stack.registry.url(),
        server.url()
    );
    let folder = stack.folder().join(ordinal.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    Service::start(binaries, "backfill", &sections, &folder).unwrap()
}

/// Runs an operator's command, which must succeed.
fn tapeline(binaries: &Binaries, stack: &Stack, arguments: &[&str]) {
    let mut command = binaries.command("tapeline");
    command.args(arguments).args(["--brokers", &stack.broker.address()]);
    if arguments[0] != "topics" {
        command.args(["--registry", &stack.registry.url()]);
    }
    let ended = run_to_end(arguments[0], command, stack.folder(), LIMIT).unwrap();
    assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.printed);
}

fn count(server: &Postgres, of: &str) -> usize {
    server.query(&format!("select count(*) from {of}")).map_or(0, |count| count.parse().unwrap())
}

#[test]
fn ledger_of_two_instances_has_every_job_after_a_kill() {
    if real_parts_missing() || postgres_missing() {
        return;
    }
    let (binaries, stack) = (Binaries::built().unwrap(), Stack::start().unwrap());
    let server = Postgres::start().unwrap();
    tapeline(&binaries, &stack, &["topics", "apply", "--replication", "1"]);
    tapeline(&binaries, &stack, &["schemas", "register"]);
    let mut instances = [0, 1].map(|ordinal| backfill(&binaries, &stack, &server, ordinal));
    for instance in &mut instances {
        instance.wait_until_ready().unwrap();
    }
    let initial = |number: usize| char::from(b'A' + u8::try_from(number % 26).unwrap());
    let symbols: Vec<String> =
        (0..SYMBOLS).map(|number| format!("{}{}", initial(number / 26), initial(number))).collect();
    let mut request =
        vec!["backfill", "request", "--from", "2022-01-01", "--to", "2023-12-31", "--layer", "0"];
    request.extend(symbols.iter().map(String::as_str));
    tapeline(&binaries, &stack, &request);

    let is_reached = |of: &str, number| wait_until(LIMIT, || count(&server, of) >= number);
    assert!(
        is_reached("jobs where state = 'completed'", SYMBOLS / 5),
        "{}",
        instances[0].process().excerpt()
    );
    instances[0].process().signal("KILL").unwrap();
    instances[0].process().wait(LIMIT).unwrap();
    assert!(count(&server, "open_jobs") > 0, "the kill was after the work");
    instances[0].restart().unwrap();
    let is_done = is_reached("jobs where state = 'completed'", SYMBOLS);
    assert!(is_done, "{}{}", instances[0].process().excerpt(), instances[1].process().excerpt());
    assert_eq!((count(&server, "jobs"), count(&server, "open_jobs")), (SYMBOLS, 0));
    assert!(is_reached("coverage_ranges", SYMBOLS), "{} ranges", count(&server, "coverage_ranges"));
    assert_eq!(count(&server, "coverage_ranges"), SYMBOLS);
    for instance in &mut instances {
        assert_eq!(instance.terminate().unwrap(), Some(0), "{}", instance.process().excerpt());
    }
    tapeline(&binaries, &stack, &["verify"]);
}
