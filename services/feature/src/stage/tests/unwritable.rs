//! Events that exceed the maximum of a record, and requests that exceed the bounds of the contract.

use contracts::bounds::TEXT_BYTES_MAX;
use contracts::codec::PAYLOAD_BYTES_MAX;

use super::*;

/// A running request, whether or not the contract permits it.
fn admitted(bench: &Bench, request: FeatureRequest) -> Admitted {
    Admitted {
        id: RecordId { input: bench.own_input(), epoch: Epoch(1), offset: 7 },
        lane: Lane::Ordinary,
        timeframe: Timeframe::Day1,
        traceparent: None,
        appended_micros: None,
        to_compute: vec![(Symbol::parse("AAPL").unwrap(), Timestamp::from_micros(START_MICROS))],
        failures: Vec::new(),
        attempts: 1,
        request,
    }
}

#[test]
fn unwritable_result_dead_letters_the_request() {
    let bench = Bench::new();
    let request = request(&"r".repeat(PAYLOAD_BYTES_MAX), 5, 5);
    let running = admitted(&bench, request.clone());
    let failed = bench.stage.resolve(running, Err(panicked("no such index")), now(1)).effect;
    let mut effects = Effects::default();
    bench.stage.expire(admitted(&bench, request), now(1), &mut effects);
    let expired = effects.take().remove(0);
    for effect in [failed, expired] {
        let Effect::Reject { id, dead_letter } = effect else { panic!("{effect:?}") };
        let dead_letter = DeadLetter::of(&dead_letter);
        assert_eq!((id.offset, dead_letter.offset), (7, 7));
        assert_eq!(dead_letter.class, "unwritable");
        assert_eq!(dead_letter.input_topic, "feature.batch.requested.v1");
    }
}

#[test]
fn oversized_request_is_dead_lettered() {
    let mut bench = Bench::new();
    let verdict = bench.request(&request(&"r".repeat(600_000), 5, 5), now(0));
    assert_eq!(rejected(verdict).class, "invalid");
}

#[test]
fn long_error_is_cut_to_the_bound() {
    let bench = Bench::new();
    let error = panicked(&"é".repeat(5_000));
    let effect = bench.stage.resolve(admitted(&bench, request("r", 5, 5)), Err(error), now(1)).effect;
    let Effect::Emit { outputs, .. } = effect else { panic!("{effect:?}") };
    let failure: RequestFailure = bench.decode(&outputs[0]);
    // The last character has two bytes and is not split.
    assert_eq!(failure.error.len(), TEXT_BYTES_MAX - 1);
}
