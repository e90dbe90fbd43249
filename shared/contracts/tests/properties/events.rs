//! Arbitrary valid events.

use std::collections::{BTreeMap, BTreeSet};

use contracts::wire::{BackfillErrorClass, BackfillTrigger, DataKind, RequestErrorClass, SetStatus};
use contracts::{
    Alert, ClosedBar, CorporateAction, CoverageChange, FeatureRequest, Gap, NewsItem, Promotion, Proposal,
    Qualification, RangeCompletion, RangeFailure, RangeProgress, RangeRequest, RefetchAttempt,
    RequestFailure, RequestedSpan, RequestedSymbol, SetResult, Span, TypedRange, Vector, WantedSeries,
};
use domain::{AlertType, FeatureSet, Timeframe};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// An instant in the years 1 to 9999.
fn instant() -> impl Strategy<Value = i64> {
    -62_135_596_800_000_000..=253_402_300_799_999_999_i64
}

fn span() -> impl Strategy<Value = (i64, i64)> {
    (instant(), instant()).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{1,12}"
}

fn symbol() -> impl Strategy<Value = String> {
    "[A-Z]{1,5}([.-][A-Z]{1,2})?"
}

fn id() -> impl Strategy<Value = String> {
    "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}"
}

fn finite() -> impl Strategy<Value = f64> {
    prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL
}

/// A price.
fn positive() -> impl Strategy<Value = f64> {
    finite().prop_filter_map("above 0", |number| (number != 0.0).then_some(number.abs()))
}

fn metrics() -> impl Strategy<Value = BTreeMap<String, f64>> {
    btree_map(text(), finite(), 0..4)
}

fn timeframe() -> impl Strategy<Value = String> {
    select(Timeframe::ALL.map(Timeframe::as_str).to_vec()).prop_map(str::to_owned)
}

fn kind() -> impl Strategy<Value = DataKind> {
    select(&DataKind::ALL[..5])
}

fn kinds() -> impl Strategy<Value = Vec<DataKind>> {
    subsequence(DataKind::ALL[..5].to_vec(), 1..=5).prop_shuffle()
}

fn sets() -> impl Strategy<Value = Vec<String>> {
    let names: Vec<String> = FeatureSet::ALL.iter().map(|set| set.as_str().to_owned()).collect();
    subsequence(names, 1..=43)
}

/// event_id, occurred_at, source, correlation_id.
fn envelope() -> impl Strategy<Value = (String, i64, String, Option<String>)> {
    (id(), instant(), text(), option::of(text()))
}

/// A strategy of an event with an arbitrary envelope and the given fields.
macro_rules! event {
    ($type:ident { $($field:ident: $strategy:expr),+ $(,)? }) => {
        (envelope(), $($strategy),+).prop_map(|((event_id, occurred_at, source, correlation_id), $($field),+)| $type {
            event_id, occurred_at, source, correlation_id, $($field),+
        })
    };
}

pub(crate) fn alert() -> impl Strategy<Value = Alert> {
    event!(Alert {
        symbol: symbol(),
        alert_type: select(&AlertType::ALL[..]),
        score: 0.0..=1.0,
        message: ".{0,40}",
        source_scanner: ".{0,10}",
        metadata: btree_map(text(), ".{0,20}", 0..50),
    })
}

pub(crate) fn proposal() -> impl Strategy<Value = Proposal> {
    let climb = (0..=3).prop_flat_map(|to: i32| {
        (option::of(0..to.max(1)).prop_map(move |from| from.filter(|from| *from < to)), Just(to))
    });
    (
        event!(Proposal {
            symbol: symbol(),
            from_layer: Just(None),
            to_layer: 0..=3,
            reason: text(),
            metrics: metrics()
        }),
        climb,
    )
        .prop_map(|(event, (from_layer, to_layer))| Proposal { from_layer, to_layer, ..event })
}

pub(crate) fn qualification() -> impl Strategy<Value = Qualification> {
    event!(Qualification { symbol: symbol(), layer: 0..=3, reason: text(), metrics: metrics() })
}

pub(crate) fn promotion() -> impl Strategy<Value = Promotion> {
    event!(Promotion {
        symbol: symbol(),
        from_layer: 0..=1,
        to_layer: 2..=3,
        reason: text(),
        metrics: metrics()
    })
}

pub(crate) fn gap() -> impl Strategy<Value = Gap> {
    (
        event!(Gap {
            symbol: symbol(),
            data_type: kind(),
            gap_start: Just(0),
            gap_end: Just(0),
            priority: 1..=10
        }),
        span(),
    )
        .prop_filter("a gap starts before its end", |(_, (start, end))| start < end)
        .prop_map(|(event, (gap_start, gap_end))| Gap { gap_start, gap_end, ..event })
}

pub(crate) fn feature_request() -> impl Strategy<Value = FeatureRequest> {
    let symbols = btree_map(symbol(), (instant(), instant()), 1..=20).prop_map(|symbols| {
        symbols
            .into_iter()
            .map(|(symbol, (first_seen, occurred_at))| RequestedSymbol { symbol, first_seen, occurred_at })
            .collect::<Vec<_>>()
    });
    event!(FeatureRequest {
        request_id: text(),
        symbols: symbols,
        feature_sets: sets(),
        timeframe: timeframe(),
        priority: 1..=10,
        requester: text(),
        source_scanners: vec(text(), 0..3),
        correlation_ids: vec(text(), 0..3),
        requested_at: instant(),
    })
}

fn set_result() -> impl Strategy<Value = SetResult> {
    let values = btree_map(text(), finite(), 1..5);
    let computed = (option::of(text()), values).prop_map(|(reason, values)| SetResult {
        status: SetStatus::Computed,
        reason,
        values,
    });
    let without = (select(vec![SetStatus::Unavailable, SetStatus::Failed]), text())
        .prop_map(|(status, reason)| SetResult { status, reason: Some(reason), values: BTreeMap::new() });
    prop_oneof![computed, without]
}

pub(crate) fn vector() -> impl Strategy<Value = Vector> {
    let results =
        (sets(), vec(set_result(), 43)).prop_map(|(names, results)| names.into_iter().zip(results).collect());
    let vector = event!(Vector {
        request_id: text(),
        symbol: symbol(),
        timeframe: timeframe(),
        as_of: Just(0),
        bars_held: 0..=i32::MAX,
        priority: 1..=10,
        sets: results,
        computation_micros: 0..=i64::MAX,
    });
    (vector, span()).prop_map(|(event, (as_of, occurred_at))| Vector { as_of, occurred_at, ..event })
}

pub(crate) fn request_failure() -> impl Strategy<Value = RequestFailure> {
    event!(RequestFailure {
        request_id: text(),
        symbols: btree_set(symbol(), 1..=20)
            .prop_map(|symbols: BTreeSet<String>| symbols.into_iter().collect()),
        feature_sets: vec(text(), 0..4),
        error_class: select(&RequestErrorClass::ALL[..4]),
        error: text(),
        attempts: 0..=i32::MAX,
        earlier_request_id: text().prop_map(Some),
    })
}

pub(crate) fn range_request() -> impl Strategy<Value = RangeRequest> {
    let range = (instant(), 1..=contracts::events::SPAN_MICROS_MAX)
        .prop_map(|(end, length)| ((end - length).max(-62_135_596_800_000_000), end))
        .prop_filter("a range starts before its end", |(start, end)| start < end);
    let request = event!(RangeRequest {
        backfill_id: id(),
        attempt: 1..=i32::MAX,
        symbol: symbol(),
        layer: 0..=3,
        data_types: kinds(),
        start: Just(0),
        end: Just(0),
        priority: 1..=10,
        trigger: select(&BackfillTrigger::ALL[..4]),
        refetch: any::<bool>(),
        cancel: any::<bool>(),
    });
    (request, range).prop_map(|(event, (start, end))| RangeRequest { start, end, ..event })
}

pub(crate) fn range_progress() -> impl Strategy<Value = RangeProgress> {
    // Eleven fields and an envelope: proptest supports tuples of up to twelve.
    let progress = event!(RangeProgress {
        backfill_id: id(),
        attempt: 1..=9,
        symbol: symbol(),
        data_type: kind(),
        timeframe: timeframe(),
        chunk_start: Just(0),
        chunk_end: Just(0),
        records: 0..=i64::MAX,
        empty: Just(false),
        done: 1..=100,
        total: 100..=i32::MAX,
    });
    (progress, span()).prop_map(|(event, (chunk_start, chunk_end))| RangeProgress {
        chunk_start,
        chunk_end,
        empty: event.records == 0,
        ..event
    })
}

pub(crate) fn coverage_change() -> impl Strategy<Value = CoverageChange> {
    // Pairs of a rising list with gaps: disjoint spans that do not touch.
    let intervals = btree_set(-1_000_000_000..1_000_000_000_i64, 0..20).prop_map(|bounds| {
        let bounds: Vec<i64> = bounds.into_iter().map(|bound| bound * 1_000).collect();
        bounds.chunks_exact(2).map(|pair| Span { start: pair[0], end: pair[1] }).collect::<Vec<_>>()
    });
    event!(CoverageChange {
        symbol: symbol(),
        data_type: kind(),
        timeframe: timeframe(),
        intervals: intervals,
        wanted: option::of((0..=3, instant(), instant()).prop_map(|(layer, from, at)| WantedSeries {
            layer,
            from,
            at
        })),
        asked: vec((span(), instant(), 1..=9), 0..3).prop_map(|spans| {
            let requested = spans.into_iter();
            requested
                .map(|((start, end), at, attempt)| RequestedSpan { start, end, at, attempt })
                .collect::<Vec<_>>()
        }),
        refetching: option::of(
            (id(), 1..=9).prop_map(|(backfill_id, attempt)| RefetchAttempt { backfill_id, attempt })
        ),
    })
}

fn typed_ranges() -> impl Strategy<Value = Vec<TypedRange>> {
    vec((kind(), timeframe(), span()), 0..4).prop_map(|ranges| {
        ranges
            .into_iter()
            .map(|(data_type, timeframe, (start, end))| TypedRange { data_type, timeframe, start, end })
            .collect()
    })
}

pub(crate) fn range_completion() -> impl Strategy<Value = RangeCompletion> {
    let records = btree_map(kind().prop_map(|kind| kind.to_string()), 0..=i64::MAX, 0..5);
    let counts = (records, btree_map(text(), 0..=i64::MAX, 0..4), 0..=i64::MAX);
    let ranges = (typed_ranges(), typed_ranges());
    let errors = (any::<bool>(), vec(text(), 1..=100));
    (envelope(), id(), 1..=9, symbol(), 0..=3, counts, ranges, errors).prop_map(
        |(
            envelope,
            backfill_id,
            attempt,
            symbol,
            layer,
            (records, quality, duration_micros),
            (fetched, skipped),
            (success, errors),
        )| {
            let (event_id, occurred_at, source, correlation_id) = envelope;
            let partial = !success;
            let error_count = i32::try_from(errors.len()).unwrap() + 7;
            RangeCompletion {
                event_id,
                occurred_at,
                source,
                correlation_id,
                backfill_id,
                attempt,
                symbol,
                layer,
                success,
                partial,
                records,
                fetched,
                skipped,
                duration_micros,
                errors,
                error_count,
                quality,
            }
        },
    )
}

pub(crate) fn range_failure() -> impl Strategy<Value = RangeFailure> {
    event!(RangeFailure {
        backfill_id: id(),
        attempt: 1..=9,
        symbol: symbol(),
        layer: 0..=3,
        data_types: kinds(),
        error_class: select(&BackfillErrorClass::ALL[..9]),
        retryable: any::<bool>(),
        attempts: 0..=i32::MAX,
        error: text(),
    })
}

pub(crate) fn closed_bar() -> impl Strategy<Value = ClosedBar> {
    let prices = vec(positive(), 4).prop_map(|mut prices| {
        prices.sort_by(f64::total_cmp);
        prices
    });
    let rest = (0.0..1e12, option::of(finite()), option::of(0..=i64::MAX), any::<bool>());
    (envelope(), symbol(), timeframe(), instant(), prices, rest).prop_map(
        |((event_id, occurred_at, source, correlation_id), symbol, timeframe, open_time, prices, rest)| {
            let (volume, vwap, trades, backfilled) = rest;
            let (low, open, close, high) = (prices[0], prices[1], prices[2], prices[3]);
            ClosedBar {
                event_id,
                occurred_at,
                source,
                correlation_id,
                symbol,
                timeframe,
                open_time,
                open,
                high,
                low,
                close,
                volume,
                vwap,
                trades,
                backfilled,
            }
        },
    )
}

pub(crate) fn news_item() -> impl Strategy<Value = NewsItem> {
    event!(NewsItem {
        symbol: symbol(),
        time: instant(),
        headline: text(),
        url: option::of(text()),
        sentiment: option::of(-1.0..=1.0),
    })
}

pub(crate) fn corporate_action() -> impl Strategy<Value = CorporateAction> {
    event!(CorporateAction {
        symbol: symbol(),
        time: instant(),
        kind: text(),
        ratio: option::of(f64::MIN_POSITIVE..=10_000.0),
        amount: option::of(finite()),
        ex_date: -719_162..=2_932_896,
    })
}
