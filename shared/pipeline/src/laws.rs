//! The laws of delivery, each with an id, a statement and a counter of its violations.
//!
//! A violation panics in a debug build and is counted in a release build. At run time the engine checks what is cheap to check.
//! `tests/laws` and the seeded simulation test each law as a whole.

/// A law of delivery. The unit is the input record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// P1. Checked by the counters of each partition, against the length of its ledger.
    Conservation,
    /// P2. Checked for every commit; its completed ranges by count, in debug builds record by record.
    Prefix,
    /// P3. Checked for every commit, when it is requested and when it succeeds.
    Progress,
    /// P4. Checked for every batch and commit.
    NoLateEffects,
    /// P5. Checked after each settling.
    Bounds,
    /// P6. Checked by two counters: records resolved as rejected, acknowledged dead letters.
    DeadLetterFirst,
    /// P7. Checked here only by its premise: the time that the shell passes in never decreases.
    Replay,
    /// P8. Checked by sequence numbers: outputs leave in the order of their creation, also after an abort.
    Order,
}

impl Law {
    /// All laws, in the order of their ids.
    pub const ALL: [Law; 8] = [
        Law::Conservation,
        Law::Prefix,
        Law::Progress,
        Law::NoLateEffects,
        Law::Bounds,
        Law::DeadLetterFirst,
        Law::Replay,
        Law::Order,
    ];

    /// Returns its id, `P1` to `P8`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Law::Conservation => "P1",
            Law::Prefix => "P2",
            Law::Progress => "P3",
            Law::NoLateEffects => "P4",
            Law::Bounds => "P5",
            Law::DeadLetterFirst => "P6",
            Law::Replay => "P7",
            Law::Order => "P8",
        }
    }

    /// Returns its statement.
    #[must_use]
    pub const fn statement(self) -> &'static str {
        match self {
            Law::Conservation => {
                "received = emitted + dropped + rejected + held, per partition and assignment"
            }
            Law::Prefix => {
                "a committed offset is the end of the contiguous resolved prefix, in delivery order"
            }
            Law::Progress => "a committed offset never decreases within an assignment",
            Law::NoLateEffects => {
                "nothing is produced or committed for a partition after its revocation is acknowledged"
            }
            Law::Bounds => "every queue has a bound, and a full one pauses its inputs",
            Law::DeadLetterFirst => {
                "a rejected record's dead letter is acknowledged before its offset resolves"
            }
            Law::Replay => "the same events at the same times give the same actions",
            Law::Order => "outputs are produced in the order in which the stage created them",
        }
    }
}

/// Counts of violations.
#[derive(Debug, Default)]
pub(crate) struct LawChecks {
    violations: [u64; 8],
}

impl LawChecks {
    /// Panics in debug builds and counts in release builds, if the law does not hold.
    pub(crate) fn check(&mut self, law: Law, holds: bool) {
        debug_assert!(holds, "law {} is broken: {}", law.id(), law.statement());
        if !holds {
            self.violations[law as usize] += 1;
        }
    }

    pub(crate) fn violations(&self) -> [u64; 8] {
        self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_law_is_documented_and_tested() {
        let page = include_str!("../../../ARCHITECTURE.md");
        let properties = include_str!("../tests/laws/properties.rs");
        for law in Law::ALL {
            assert!(page.contains(&format!("\n| {} ", law.id())), "{} has no line", law.id());
            let test = format!("    fn {}_", law.id().to_lowercase());
            assert!(properties.contains(&test), "{} has no property test", law.id());
        }
    }
}
