use super::*;

#[test]
fn every_record_is_received_and_every_second_one_passes() {
    let no_op = process(InMemoryStage::NoOp, 40_000).unwrap();
    assert_eq!((no_op.counts.received, no_op.counts.emitted, no_op.outputs), (40_000, 40_000, 40_000));
    let Processed { counts, outputs } = process(InMemoryStage::Bridge, 40_000).unwrap();
    assert_eq!((counts.received, counts.emitted, counts.dropped.total()), (40_000, 20_000, 20_000));
    assert!((200..=400).contains(&outputs), "{outputs} requests of 50 to 100 symbols");
}

#[test]
fn runs_of_equal_length_are_equal() {
    let run = || process(InMemoryStage::Bridge, 25_000).unwrap();
    assert_eq!(run(), run());
}
