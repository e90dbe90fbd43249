//! The vendor's own signer: the server that checks our requests accepts those of botocore, and rejects them with another secret.

use std::process::Command;

use integration::python;

use crate::server::{BUCKET, KEY_ID, SECRET};
use crate::{Bench, bar_at};

#[test]
fn requests_of_botocore_are_valid_and_equal() {
    let Some(python) = python() else { return };
    let bench = Bench::new("{timeframe}/{date}/{symbol}.csv");
    let (key, content) = ("1min/2024-06-28/AAPL.csv", bar_at("2024-06-28T13:30:00Z"));
    bench.put(key, content.clone());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bucket/public_client.py");
    let read = |secret: &str| {
        let endpoint = format!("http://{}", bench.server.address);
        let key = format!("exports/v 1 é~%/{key}");
        let output = Command::new(&python)
            .args([script, &endpoint, KEY_ID, secret, BUCKET, "exports/v 1 é~%/1min/", &key])
            .env("NO_PROXY", "127.0.0.1")
            .output()
            .expect("an executable python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a text")
    };
    assert_eq!(read(SECRET), format!("exports/v 1 é~%/1min/2024-06-28/\n{content}"));
    let of_botocore = bench.server.take_requests();
    assert_eq!(bench.minutes("2024-06-28", "2024-06-28").unwrap().records.len(), 1);
    let own_requests = bench.server.take_requests();
    let path =
        |request: &String| request.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
    for request in &of_botocore {
        assert!(
            own_requests.iter().any(|other| path(other) == path(request)),
            "{request} is not among {own_requests:?}"
        );
    }
    assert_eq!(read(&SECRET[1..]), "SignatureDoesNotMatch\n");
    assert!(bench.server.take_requests().is_empty());
}
