//! docker-compose.yml as it stands, on a Docker engine: one test a promise, each on the same cluster, each ending with
//! `tapeline verify`. Run by `tests/integration/compose`, which sees to the engine and the images; one at a time.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

#[path = "../tests/alerts/mod.rs"]
mod alerts;
mod cluster;
mod letters;
mod load;
mod newer;

use std::time::{Duration, Instant};

use integration::{difference, vectors_of};
use serde_json::Value;

use cluster::{BROKERS, Cluster, Expected, NETWORK, SERVICES, cluster};
use load::Load;

/// The market of docker-compose.yml's demo: a year of sessions in which two symbols trade.
const MARKET: &str = "--bars /bars --from 2011-07-01 --to 2012-06-29 --speed max";
/// What that year has at least, so that a comparison of nothing with nothing doesn't pass.
const VECTORS_MIN: usize = 100;

/// Alerts that come before, while and after something happens.
const SOME: usize = 200;
/// Alerts that come at the load's pace while a group misses a member and gives its partitions away (`session_timeout_ms`, 15 s).
const MANY: usize = 4_000;

/// `stop_grace_period` of the file.
const GRACE: Duration = Duration::from_secs(30);

/// What a stage's row of the report says.
fn count(report: &Value, stage: &str, what: &str) -> u64 {
    report["stages"][stage][what].as_u64().unwrap_or_else(|| panic!("no {stage} {what}: {report:#}"))
}

/// Does something while alerts keep coming, with some before and some after; then all of them are answered, and `verify` finds no
/// fault.
fn under_load(cluster: &Cluster, act: impl FnOnce(&Load)) {
    let (before, load) = (cluster.verified(), Load::start());
    load.wait_for_more(SOME);
    cluster.tell("under load", || act(&load));
    load.wait_for_more(SOME);
    let accepted = u64::try_from(load.end()).unwrap();
    let after = cluster.tell("rest", || cluster.verified());
    // Alerts whose outcome was unknown were posted again: they lie there twice, and the second is covered by the first.
    for (stage, what) in [("bridge", "inputs"), ("feature", "found")] {
        let more = count(&after, stage, what) - count(&before, stage, what);
        assert!(more >= accepted, "{stage} {what}: {more} of {accepted}");
    }
    println!("{accepted} alerts");
}

#[test]
fn findings_become_the_vectors_of_the_oracle() {
    let cluster = cluster();
    let oracle = format!("dev {MARKET} --until-end --vectors /out/oracle.ndjson");
    cluster.tell("oracle", || cluster.tapeline(&oracle).expect(0));
    let files = "--vectors /out/vectors.ndjson --report /out/report.json";
    let replay = format!("replay {MARKET} --edge publisher:8080 {files}");
    cluster.tell("replay", || cluster.tapeline(&replay).expect(0));
    let expected = vectors_of(&cluster.folder().join("oracle.ndjson")).unwrap();
    let vectors = vectors_of(&cluster.folder().join("vectors.ndjson")).unwrap();
    assert!(expected.len() >= VECTORS_MIN, "only {} vectors", expected.len());
    assert_eq!(difference(&expected, &vectors), [""; 0]);
    let report = std::fs::read(cluster.folder().join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["topics"]["feature.vector.computed.v1"]["records"], vectors.len());
    cluster.verified();
}

#[test]
fn a_killed_service_loses_nothing_and_three_share_its_work() {
    let cluster = cluster();
    let running = |cluster: &Cluster| cluster.does(&["ps", "--quiet", "feature"]).lines().count();
    under_load(&cluster, |load| {
        cluster.does(&["kill", "--signal", "KILL", "feature"]);
        load.wait_for_more(SOME);
        cluster.does(&["up", "--detach", "--wait", "--no-deps", "--scale", "feature=3", "feature"]);
        assert_eq!(running(&cluster), 3);
        load.wait_for_more(SOME);
        cluster.wait_for(&["feature"]);
        assert_eq!(running(&cluster), 1);
    });
}

#[test]
fn a_broker_that_stops_is_done_without() {
    let cluster = cluster();
    under_load(&cluster, |load| {
        cluster.does(&["stop", BROKERS[1]]);
        load.wait_for_more(SOME);
        cluster.wait_for(&[BROKERS[1]]);
    });
}

#[test]
fn a_service_restarts_while_the_registry_is_away() {
    let cluster = cluster();
    under_load(&cluster, |load| {
        cluster.does(&["stop", "registry"]);
        cluster.does(&["restart", "--no-deps", "scanner-bridge", "feature"]);
        cluster.wait_for(&["scanner-bridge", "feature"]);
        load.wait_for_more(SOME);
        cluster.wait_for(&["registry"]);
    });
}

#[test]
fn a_service_that_is_cut_off_comes_back_and_goes_on() {
    let cluster = cluster();
    let container = cluster.containers("feature").remove(0);
    under_load(&cluster, |load| {
        cluster.docker(&["network", "disconnect", NETWORK, &container]);
        load.wait_for_more(MANY);
        cluster.docker(&["network", "connect", "--alias", "feature", NETWORK, &container]);
    });
    assert_eq!(cluster.containers("feature"), [container], "it is the same process");
}

#[test]
fn everything_restarts_in_turn_under_load() {
    let cluster = cluster();
    under_load(&cluster, |_| {
        for service in [&BROKERS[..], &["registry"], &SERVICES].concat() {
            cluster.tell(service, || {
                cluster.does(&["restart", "--no-deps", service]);
                cluster.wait_for(&[service]);
            });
        }
    });
}

#[test]
fn services_end_within_their_grace_and_with_nothing_open() {
    let cluster = cluster();
    under_load(&cluster, |_| {
        // The edge goes on: the load needs somebody who takes it.
        for service in &SERVICES[1..] {
            let begun = Instant::now();
            cluster.does(&["stop", service]);
            assert!(begun.elapsed() < GRACE, "{service} took {:?}", begun.elapsed());
            for container in cluster.containers(service) {
                let code = cluster.docker(&["inspect", "--format", "{{.State.ExitCode}}", &container]);
                assert_eq!(code.trim(), "0", "{service}: {}", cluster.logs());
            }
        }
        cluster.wait_for(&SERVICES);
    });
}

#[test]
fn a_dead_letter_is_mended_and_sent_back() {
    let cluster = cluster();
    letters::die_and_come_back(&cluster);
    cluster.verified();
}

#[test]
fn a_producer_of_the_second_version_stands_beside_readers_of_the_first() {
    let cluster = cluster();
    newer::write_both(&cluster);
    cluster.verified();
}

#[test]
fn images_run_read_only_as_anybody_and_hold_no_shell() {
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
        assert_ne!(cluster.tries(&shell), Some(0), "{name} has a shell");
    }
    cluster.verified();
}
