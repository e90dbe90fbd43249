use contracts::{DataKind, ids};

use super::*;

#[test]
fn request_of_the_keeper_needs_no_cause() {
    let planned = RangeRequest {
        event_id: ids::event_id(),
        occurred_at: 0,
        source: "backfill".to_owned(),
        correlation_id: None,
        backfill_id: ids::event_id(),
        attempt: 1,
        symbol: "AAPL".to_owned(),
        layer: 0,
        data_types: vec![DataKind::MarketData],
        start: 0,
        end: 1,
        priority: 5,
        trigger: BackfillTrigger::Gap,
        refetch: false,
        cancel: false,
    };
    assert!(is_planned(&planned));
    assert!(!is_planned(&RangeRequest { source: KEEPER_SOURCE.to_owned(), ..planned.clone() }));
    assert!(!is_planned(&RangeRequest { trigger: BackfillTrigger::Manual, ..planned.clone() }));
    assert!(!is_planned(&RangeRequest { attempt: 2, ..planned }));
}
