//! Scripts of events: anything that can happen to an engine, in any order.

use proptest::prelude::*;

use crate::history::{POLL_MAX, SOURCES};
use crate::rig::What;

/// One line of a script. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Reads on; what comes new if there is nothing to read, and which record of it can't be judged now.
    Records {
        source: usize,
        hole: i64,
        what: Vec<What>,
        defer: Option<usize>,
    },
    End {
        source: usize,
        hole: i64,
    },
    Say {
        pick: usize,
        how: u8,
        count: u8,
    },
    Answer {
        ok: bool,
    },
    Tick,
    Pass {
        millis: u64,
    },
    Assign {
        source: usize,
    },
    Revoke {
        source: usize,
    },
    Lose {
        source: usize,
    },
    Rebuild,
}

pub(crate) fn scripts() -> impl Strategy<Value = Vec<Step>> {
    let what = prop_oneof![
        3 => Just(What::Drop),
        3 => (1..3_u8).prop_map(What::Emit),
        4 => Just(What::Hold),
        1 => Just(What::Reject),
    ];
    let source = 0..SOURCES.len();
    let defer = prop_oneof![4 => Just(None), 1 => (0..POLL_MAX).prop_map(Some)];
    let step = prop_oneof![
        8 => (source.clone(), 0..3_i64, prop::collection::vec(what, 1..=POLL_MAX), defer)
            .prop_map(|(source, hole, what, defer)| Step::Records { source, hole, what, defer }),
        1 => (source.clone(), 0..3_i64).prop_map(|(source, hole)| Step::End { source, hole }),
        9 => (any::<usize>(), 0..8_u8, 1..3_u8).prop_map(|(pick, how, count)| Step::Say { pick, how, count }),
        8 => prop::bool::weighted(0.7).prop_map(|ok| Step::Answer { ok }),
        4 => Just(Step::Tick),
        2 => (0..150_u64).prop_map(|millis| Step::Pass { millis }),
        5 => source.clone().prop_map(|source| Step::Assign { source }),
        3 => source.clone().prop_map(|source| Step::Revoke { source }),
        1 => source.prop_map(|source| Step::Lose { source }),
        1 => Just(Step::Rebuild),
    ];
    prop::collection::vec(step, 1..150)
}
