//! docker-compose.yml unchanged, on a Docker engine: one test per guarantee, each on the same cluster, each ending with `tapeline
//! verify`. Run by `tests/integration/compose`, which provides the engine and the images; one test at a time.
#![allow(clippy::print_stdout, reason = "a test prints its progress")]
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

#[path = "../tests/alerts/mod.rs"]
mod alerts;
mod cluster;
mod dead_letters;
mod load;
mod newer_schema;

use integration::{difference, vectors_of, wait_until};
use serde_json::Value;

use cluster::{BROKERS, Cluster, Expected, NETWORK, SERVICES, cluster};
use load::Load;

/// The market of docker-compose.yml's demo: a year of sessions in which two symbols trade.
const MARKET: &str = "--bars /bars --from 2011-07-01 --to 2012-06-29 --speed max";
/// The minimum number of vectors of that year, so that a comparison of two empty outputs does not pass.
const VECTORS_MIN: usize = 100;

/// Alerts before, during and after an outage.
const SOME: usize = 200;
/// Alerts at the load's pace until a group has removed an unresponsive member (`session_timeout_ms`, 15 s).
const MANY: usize = 4_000;

/// Returns a count of a stage's row in the report.
fn count(report: &Value, stage: &str, what: &str) -> u64 {
    report["stages"][stage][what].as_u64().unwrap_or_else(|| panic!("no {stage} {what}: {report:#}"))
}

/// Runs an action under a load of alerts, then asserts that all of them have a result and that `verify` finds no difference.
fn under_load(cluster: &Cluster, act: impl FnOnce(&Load)) {
    let (before, load) = (cluster.verified(), Load::start());
    load.wait_for_more(SOME);
    cluster.timed("under load", || act(&load));
    load.wait_for_more(SOME);
    let accepted = u64::try_from(load.end()).unwrap();
    let after = cluster.timed("rest", || cluster.verified());
    // Alerts with an unknown outcome were posted again: they are in the topic twice, and the second one is a duplicate of the
    // first.
    for (stage, what) in [("bridge", "inputs"), ("feature", "found")] {
        let more = count(&after, stage, what) - count(&before, stage, what);
        assert!(more >= accepted, "{stage} {what}: {more} of {accepted}");
    }
    println!("{accepted} alerts");
}

#[test]
fn findings_result_in_the_vectors_of_dev() {
    let cluster = cluster();
    let oracle = format!("dev {MARKET} --until-end --vectors /out/oracle.ndjson");
    cluster.timed("oracle", || cluster.tapeline(&oracle).expect(0));
    let files = "--vectors /out/vectors.ndjson --report /out/report.json";
    let replay = format!("replay {MARKET} --edge publisher:8080 {files}");
    cluster.timed("replay", || cluster.tapeline(&replay).expect(0));
    let expected = vectors_of(&cluster.folder().join("oracle.ndjson")).unwrap();
    let vectors = vectors_of(&cluster.folder().join("vectors.ndjson")).unwrap();
    assert!(expected.len() >= VECTORS_MIN, "only {} vectors", expected.len());
    assert_eq!(difference(&expected, &vectors), [""; 0]);
    let report = std::fs::read(cluster.folder().join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["topics"]["feature.vector.computed.v1"]["records"], vectors.len());
    cluster.verified();
    let completed = report["topics"]["backfill.range.completed.v1"]["records"].as_u64().unwrap();
    assert!(completed > 0, "{report:#}");
    let sql = "select count(*) from jobs where state in ('completed', 'partial')";
    let jobs = || cluster.run(&["exec", "-T", "postgres", "psql", "-U", "tapeline", "-tAc", sql]);
    let is_complete = || jobs().trim() == completed.to_string();
    assert!(wait_until(cluster::REST_LIMIT, is_complete), "the ledger has {} of {completed} jobs", jobs());
}

#[test]
fn killed_service_loses_nothing_and_scales_to_three() {
    let cluster = cluster();
    let running = |cluster: &Cluster| cluster.run(&["ps", "--quiet", "feature"]).lines().count();
    under_load(&cluster, |load| {
        cluster.run(&["kill", "--signal", "KILL", "feature"]);
        load.wait_for_more(SOME);
        cluster.run(&["up", "--detach", "--wait", "--no-deps", "--scale", "feature=3", "feature"]);
        assert_eq!(running(&cluster), 3);
        load.wait_for_more(SOME);
        cluster.wait_for(&["feature"]);
        assert_eq!(running(&cluster), 1);
    });
}

#[test]
fn stopped_broker_interrupts_nothing() {
    let cluster = cluster();
    under_load(&cluster, |load| {
        cluster.run(&["stop", BROKERS[1]]);
        load.wait_for_more(SOME);
        cluster.wait_for(&[BROKERS[1]]);
    });
}

#[test]
fn service_restarts_while_the_registry_is_stopped() {
    let cluster = cluster();
    under_load(&cluster, |load| {
        cluster.run(&["stop", "registry"]);
        cluster.run(&["restart", "--no-deps", "scanner-bridge", "feature"]);
        cluster.wait_for(&["scanner-bridge", "feature"]);
        load.wait_for_more(SOME);
        cluster.wait_for(&["registry"]);
    });
}

#[test]
fn disconnected_service_rejoins_and_continues() {
    let cluster = cluster();
    let container = cluster.containers("feature").remove(0);
    under_load(&cluster, |load| {
        cluster.docker(&["network", "disconnect", NETWORK, &container]);
        load.wait_for_more(MANY);
        cluster.docker(&["network", "connect", "--alias", "feature", NETWORK, &container]);
    });
    assert_eq!(cluster.containers("feature"), [container], "another container was started");
}

#[test]
fn everything_restarts_in_turn_under_load() {
    let cluster = cluster();
    under_load(&cluster, |_| {
        for service in [&BROKERS[..], &["registry"], &SERVICES].concat() {
            cluster.timed(service, || {
                cluster.run(&["restart", "--no-deps", service]);
                cluster.wait_for(&[service]);
            });
        }
    });
}

#[test]
fn services_exit_within_the_grace_period_with_nothing_held() {
    let cluster = cluster();
    under_load(&cluster, |_| {
        // The publisher continues, since the load needs the edge.
        for service in &SERVICES[1..] {
            // Docker kills a container that has not ended within its grace period: its exit code is then 137.
            cluster.run(&["stop", service]);
            for container in cluster.containers(service) {
                let code = cluster.docker(&["inspect", "--format", "{{.State.ExitCode}}", &container]);
                assert_eq!(code.trim(), "0", "{service}: {}", cluster.logs());
            }
        }
        cluster.wait_for(&SERVICES);
    });
}

#[test]
fn dead_letter_is_repaired_and_replayed() {
    let cluster = cluster();
    dead_letters::repair_and_replay(&cluster);
    cluster.verified();
}

#[test]
fn producer_of_a_second_schema_version_works_with_first_readers() {
    let cluster = cluster();
    newer_schema::write_both(&cluster);
    cluster.verified();
}

#[test]
fn images_run_read_only_as_any_user_without_a_shell() {
    let cluster = cluster();
    for name in SERVICES {
        let image = cluster.image(name);
        let user = cluster.docker(&["image", "inspect", "--format", "{{.Config.User}}", &image]);
        assert!(user.trim().split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{name}: {user}");
        let arguments = ["run", "--rm", "--read-only", "--user", "23456:34567", "--network", "none"];
        let config = format!("/etc/tapeline/{name}.toml");
        let shown =
            cluster.docker(&[&arguments[..], &[&image, "--config", &config, "--check-config"]].concat());
        assert!(shown.contains("/var/lib/tapeline"), "{shown}");
        let shell = [&arguments[..], &["--entrypoint", "/bin/sh", &image, "-c", "true"]].concat();
        assert_ne!(cluster.exit_code(&shell), Some(0), "{name} has a shell");
    }
    cluster.verified();
}
