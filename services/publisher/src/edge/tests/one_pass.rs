//! Passes over the JSON of a body.

use std::fs;
use std::path::Path;

use super::*;

#[tokio::test]
async fn json_of_a_valid_body_is_read_once() {
    let bench = bench(None).await;
    let alert = alert(&[]);
    let invalid = super::alert(&[("score", 2.into())]);
    let bodies = [alert.clone(), format!("[{alert}, {alert}]"), format!("[{alert},{invalid}]")];
    let mut read = 0;
    for body in bodies {
        let (status, response) = bench.post(&body).await;
        assert!(status == 200 || status == 207, "{response}");
        read += body.len();
        bench.assert_counts(&[&format!("publisher_edge_json_bytes_total {read}")]);
    }
    let (status, response) =
        bench.post_with(&[("content-type", "application/x-ndjson")], format!("{alert}\n{alert}\n")).await;
    assert_eq!(status, 200, "{response}");
    read += 2 * alert.len();
    bench.assert_counts(&[&format!("publisher_edge_json_bytes_total {read}")]);
}

#[tokio::test]
async fn finding_that_cannot_be_read_takes_further_passes() {
    let bench = bench(None).await;
    let body = format!("[{},{{}}]", alert(&[]));
    let (status, response) = bench.post(&body).await;
    assert_eq!(status, 207, "{response}");
    let scrape = bench.metrics.render();
    let line = scrape.lines().find_map(|line| line.strip_prefix("publisher_edge_json_bytes_total "));
    assert!(line.unwrap().parse::<usize>().unwrap() > 2 * body.len(), "{line:?}");
}

/// Otherwise a pass would not be counted.
#[test]
fn edge_reads_json_in_one_module_only() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/edge");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() || path.ends_with("json.rs") || path.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let source = text.split("#[cfg(test)]\nmod").next().unwrap();
        for call in ["serde_json::from_", "Deserializer::from_", "finding::parse", "Parsed, parse"] {
            assert!(!source.contains(call), "{call} in {}", path.display());
        }
    }
}
