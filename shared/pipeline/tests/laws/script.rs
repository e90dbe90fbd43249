//! Scripts of events: everything that can happen to an engine, in any order.

use proptest::prelude::*;

use crate::harness::What;
use crate::history::{PARTITIONS, POLL_MAX};

/// One step of a script. Numbers are taken modulo what is available.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Reads records; new ones are appended if none is left. One of them may be deferred.
    Records {
        input: usize,
        hole: i64,
        what: Vec<What>,
        defer: Option<usize>,
    },
    End {
        input: usize,
        hole: i64,
    },
    CompleteWork {
        pick: usize,
        how: u8,
        count: u8,
    },
    /// Originates on behalf of a partition, under its current epoch or its last one.
    Originate {
        input: usize,
        count: u8,
        last: bool,
    },
    Outcome {
        ok: bool,
    },
    Tick,
    Pass {
        millis: u64,
    },
    Assign {
        input: usize,
    },
    Revoke {
        input: usize,
    },
    Lose {
        input: usize,
    },
    RecreateClients,
}

pub(crate) fn scripts() -> impl Strategy<Value = Vec<Step>> {
    let what = prop_oneof![
        3 => Just(What::Drop),
        3 => (1..3_u8).prop_map(What::Emit),
        4 => Just(What::Hold),
        1 => Just(What::Reject),
    ];
    let input = 0..PARTITIONS.len();
    let defer = prop_oneof![4 => Just(None), 1 => (0..POLL_MAX).prop_map(Some)];
    let step = prop_oneof![
        8 => (input.clone(), 0..3_i64, prop::collection::vec(what, 1..=POLL_MAX), defer)
            .prop_map(|(input, hole, what, defer)| Step::Records { input, hole, what, defer }),
        1 => (input.clone(), 0..3_i64).prop_map(|(input, hole)| Step::End { input, hole }),
        9 => (any::<usize>(), 0..8_u8, 1..3_u8).prop_map(|(pick, how, count)| Step::CompleteWork { pick, how, count }),
        3 => (input.clone(), 1..3_u8, prop::bool::weighted(0.1))
            .prop_map(|(input, count, last)| Step::Originate { input, count, last }),
        8 => prop::bool::weighted(0.7).prop_map(|ok| Step::Outcome { ok }),
        4 => Just(Step::Tick),
        2 => (0..150_u64).prop_map(|millis| Step::Pass { millis }),
        5 => input.clone().prop_map(|input| Step::Assign { input }),
        3 => input.clone().prop_map(|input| Step::Revoke { input }),
        1 => input.prop_map(|input| Step::Lose { input }),
        1 => Just(Step::RecreateClients),
    ];
    prop::collection::vec(step, 1..150)
}
