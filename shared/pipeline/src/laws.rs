//! The laws that the engine owes, each with an id, a statement, and a counter of what should never be.
//!
//! A broken law stops a debug build at once and is counted in a release build. What is watched at run time is what can be watched
//! cheaply; the whole of each law is shown by `tests/laws.rs` and the seeded simulation.

/// A law of the engine. The unit is the input record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Law {
    /// P1. Watched by counters of each input, against the length of its ledger.
    Conservation,
    /// P2. Watched wherever a position leaves; what it says to be completed beyond it by counts, in debug builds record by record.
    Prefix,
    /// P3. Watched wherever a position leaves, and when it is committed.
    Progress,
    /// P4. Watched wherever a batch or a position leaves.
    Silence,
    /// P5. Watched after each settling.
    Bounds,
    /// P6. Watched by two counters: records resolved as rejected, dead letters acknowledged.
    DeadLetterFirst,
    /// P7. Watched here is its premise alone: time, the one input that the shell could get wrong unseen, never runs backwards.
    Replay,
    /// P8. Watched by sequence numbers: outputs leave, and leave again after an abort, in the order in which they were made.
    Order,
}

impl Law {
    /// All laws, in the order of their ids.
    pub const ALL: [Law; 8] = [
        Law::Conservation,
        Law::Prefix,
        Law::Progress,
        Law::Silence,
        Law::Bounds,
        Law::DeadLetterFirst,
        Law::Replay,
        Law::Order,
    ];

    /// Its id, `P1` to `P8`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Law::Conservation => "P1",
            Law::Prefix => "P2",
            Law::Progress => "P3",
            Law::Silence => "P4",
            Law::Bounds => "P5",
            Law::DeadLetterFirst => "P6",
            Law::Replay => "P7",
            Law::Order => "P8",
        }
    }

    /// What it says.
    #[must_use]
    pub const fn statement(self) -> &'static str {
        match self {
            Law::Conservation => {
                "received = emitted + dropped + rejected + held, per partition and assignment"
            }
            Law::Prefix => {
                "a committed offset is the end of the contiguous resolved prefix, in delivery order"
            }
            Law::Progress => "a committed offset never goes back within an assignment",
            Law::Silence => "nothing leaves for a partition after its revocation is acknowledged",
            Law::Bounds => "every queue has a bound, and a full one pauses its inputs",
            Law::DeadLetterFirst => {
                "a rejected record's dead letter is acknowledged before its offset resolves"
            }
            Law::Replay => "the same events at the same times give the same actions",
            Law::Order => "outputs leave in the order in which the stage made them",
        }
    }
}

/// Counts broken laws.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    violations: [u64; 8],
}

impl Watch {
    /// Asserts in debug builds, counts in release builds.
    pub(crate) fn see(&mut self, law: Law, holds: bool) {
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
    fn every_law_has_its_line_on_the_page_and_a_property_test() {
        let page = include_str!("../../../ARCHITECTURE.md");
        let properties = include_str!("../tests/laws/properties.rs");
        for law in Law::ALL {
            assert!(page.contains(&format!("\n| {} ", law.id())), "{} has no line", law.id());
            let test = format!("    fn {}_", law.id().to_lowercase());
            assert!(properties.contains(&test), "{} has no property test", law.id());
        }
    }
}
