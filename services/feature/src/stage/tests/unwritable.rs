//! Events that exceed the maximum of a record, and requests that exceed the bounds of the contract.

use contracts::bounds::TEXT_BYTES_MAX;
use contracts::codec::PAYLOAD_BYTES_MAX;

use super::*;

/// A running request, whether or not the contract permits it.
fn admitted(bench: &Bench, request: FeatureRequest) -> Admitted {
    let input = InputPartition { topic: 0, partition: bench.partition() };
    Admitted {
        id: RecordId { input, epoch: Epoch(1), offset: 7 },
        lane: Lane::Ordinary,
        timeframe: Timeframe::Day1,
        traceparent: None,
        to_compute: vec![(Symbol::parse("AAPL").unwrap(), Timestamp::from_micros(WALL_MICROS))],
        failures: Vec::new(),
        attempts: 1,
        request,
    }
}

fn header(dead_letter: &OutRecord, name: &str) -> String {
    let value = &dead_letter.headers.iter().find(|(key, _)| key == name).unwrap().1;
    String::from_utf8(value.clone()).unwrap()
}

#[test]
fn unwritable_result_dead_letters_the_request() {
    let mut bench = Bench::new();
    let request = request(&"r".repeat(PAYLOAD_BYTES_MAX), 5, 5);
    let running = admitted(&bench, request.clone());
    let failed = bench.stage.resolve(running, Err(panicked("no such index")), now(1));
    bench.stage.expire(admitted(&bench, request), now(1), &mut bench.effects);
    let expired = bench.effects.take().remove(0);
    for effect in [failed, expired] {
        let Effect::Reject { id, dead_letter } = effect else { panic!("{effect:?}") };
        assert_eq!((id.offset, header(&dead_letter, "tapeline.offset")), (7, "7".to_owned()));
        assert_eq!(header(&dead_letter, "tapeline.error-class"), "unwritable");
        assert_eq!(header(&dead_letter, "tapeline.topic"), "feature.batch.requested.v1");
    }
}

#[test]
fn oversized_request_is_dead_lettered() {
    let mut bench = Bench::new();
    let verdict = bench.request(&request(&"r".repeat(600_000), 5, 5), now(0));
    let Verdict::Reject(dead_letter) = verdict else { panic!("{verdict:?}") };
    assert_eq!(header(&dead_letter, "tapeline.error-class"), "invalid");
}

#[test]
fn long_error_is_cut_to_the_bound() {
    let bench = Bench::new();
    let effect =
        bench.stage.resolve(admitted(&bench, request("r", 5, 5)), Err(panicked(&"é".repeat(5_000))), now(1));
    let Effect::Emit { outputs, .. } = effect else { panic!("{effect:?}") };
    let failure: RequestFailure = bench.read(&outputs[0]);
    // The last character has two bytes and is not split.
    assert_eq!(failure.error.len(), TEXT_BYTES_MAX - 1);
}
