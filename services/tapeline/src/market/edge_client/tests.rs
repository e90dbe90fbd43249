//! Batches, and what their responses mean.

use std::net::SocketAddr;

use super::*;

fn address() -> EdgeAddress {
    SocketAddr::from(([127, 0, 0, 1], 1)).into()
}

fn rejected(status: u16) -> EdgeError {
    EdgeError::Rejected { edge: address(), status, body: "<html>\u{1b}[2J".repeat(1_000) }
}

#[test]
fn batch_is_bounded_in_items_and_bytes() {
    assert_eq!(batch_len([300; 2_000]), BATCH_ITEMS_MAX);
    assert_eq!(batch_len([(1 << 20) - 1; 9]), 4);
    assert_eq!(batch_len([1 << 20; 9]), 3, "the line ends count");
    assert_eq!(batch_len([BATCH_BYTES_MAX + 1, 1]), 1, "a long line is alone");
    assert_eq!(batch_len([1, BATCH_BYTES_MAX, 1]), 1);
}

#[test]
fn rejected_batch_is_not_an_unreachable_edge() {
    use chassis::Exit;
    let exits = [400, 404, 413, 401, 503, 502].map(|status| rejected(status).failure().exit());
    let (failed, unreachable) = (Exit::Failed, Exit::Unreachable);
    assert_eq!(exits, [failed, failed, failed, Exit::Refused, unreachable, unreachable]);
    let doubtful = [400, 404, 413, 429, 500, 503].map(|status| rejected(status).is_in_doubt());
    assert_eq!(doubtful, [false, false, false, false, true, false]);
}

#[test]
fn success_without_the_results_of_an_edge_is_no_rejection() {
    use chassis::Exit;
    let error_of = |status, body: &str| {
        let error = results_of(&address(), status, body.to_owned(), 2).unwrap_err();
        assert!(error.is_in_doubt(), "{error:?}");
        let failure = error.failure();
        assert_eq!(failure.exit(), Exit::Failed);
        failure.chain()
    };
    let start = "edge http://127.0.0.1:1: unexpected response with status 200: it ";
    for (body, cause) in [
        ("<html>\u{1b}", "is not the JSON of an edge (expected value at line 1 column 1): <html>\\u{1b}"),
        ("", "is not the JSON of an edge (EOF while parsing a value at line 1 column 0): "),
        ("{}", "is not the JSON of an edge (missing field `results` at line 1 column 2): {}"),
        (r#"{"results":[{"outcome":"accepted"}]}"#, "has 1 results for 2 findings"),
    ] {
        assert_eq!(error_of(200, body), format!("{start}{cause}"));
    }
    assert!(error_of(304, "").contains("unexpected response with status 304"));
    let rejected = results_of(&address(), 404, "{}".to_owned(), 2).unwrap_err();
    assert!(matches!(rejected, EdgeError::Rejected { status: 404, .. }), "{rejected:?}");
}

#[test]
fn reason_has_the_path_and_no_second_line_number() {
    let cause = "malformed JSON: number out of range at line 1 column 57".to_owned();
    let result = ItemResult { path: Some("score".to_owned()), ..ItemResult::invalid(cause) };
    assert_eq!(result.reason(), "score: malformed JSON: number out of range, column 57");
}

#[test]
fn error_quotes_a_bounded_part_of_the_response() {
    let text = rejected(404).to_string();
    assert!(text.len() < 2_500 && !text.chars().any(char::is_control), "{text:?}");
}
