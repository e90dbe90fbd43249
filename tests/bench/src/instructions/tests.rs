use super::*;

#[test]
fn number_of_a_stage_is_read_from_its_line() {
    let text = "# stage\tinstructions\nno-op\t1500\nbridge\t9000\n";
    assert!((committed_number(text, InMemoryStage::Bridge).unwrap() - 9_000.0).abs() < 0.1);
    assert!(committed_number("bridge\t9000\n", InMemoryStage::NoOp).is_err());
    assert!(committed_number("no-op\tmany\n", InMemoryStage::NoOp).is_err());
}

#[test]
fn start_cancels_out_of_the_slope() {
    let start = 7_000_000;
    assert!((slope(start + 20_000 * 1_500, start + 60_000 * 1_500) - 1_500.0).abs() < 0.1);
}

#[test]
fn report_without_a_count_is_no_count() {
    assert_eq!(collected("==1== Events    : Ir\n==1== Collected : 4200\n"), Some(4_200));
    assert_eq!(collected("==1== Collected : 0\n"), None);
    assert_eq!(collected("==1== Events    : Ir\n"), None);
}

#[test]
fn every_stage_has_a_committed_number() {
    let text = include_str!("../../instructions.tsv");
    for stage in InMemoryStage::ALL {
        assert!(committed_number(text, stage).unwrap() > 0.0);
    }
}
