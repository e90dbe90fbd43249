//! A consumer group: members with generations, assignments that wait for open transactions, and committed offsets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pipeline::{CompletedRanges, InputPartition, Position, Start};
use testkit::Rng;

use crate::oracle::{Broken, broken};

/// A rebalance event, which a member receives on its next poll.
#[derive(Debug, Clone)]
pub(crate) enum GroupEvent {
    Assigned(Start),
    Revoked(BTreeSet<InputPartition>),
    Lost,
}

/// The group of one stage.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) committed: BTreeMap<InputPartition, (i64, Vec<u8>)>,
    generation: u32,
    members: BTreeMap<u32, u32>,
    owners: BTreeMap<InputPartition, u32>,
    targets: BTreeMap<InputPartition, u32>,
    /// Revoked, but not acknowledged yet.
    revoking: BTreeSet<InputPartition>,
    events: BTreeMap<u32, VecDeque<GroupEvent>>,
    /// The offsets of open transactions: no member starts at their partitions before they end.
    pending: BTreeMap<u64, Vec<Position>>,
}

impl Group {
    /// A group without members and with no committed offset.
    pub(crate) fn new(topics: usize, partitions: i32) -> Self {
        let topics = 0..u16::try_from(topics).unwrap_or(0);
        let inputs = topics.flat_map(|topic| (0..partitions).map(move |partition| (topic, partition)));
        let inputs = inputs.map(|(topic, partition)| InputPartition { topic, partition });
        Self {
            committed: inputs.map(|input| (input, (0, Vec::new()))).collect(),
            generation: 0,
            members: BTreeMap::new(),
            owners: BTreeMap::new(),
            targets: BTreeMap::new(),
            revoking: BTreeSet::new(),
            events: BTreeMap::new(),
            pending: BTreeMap::new(),
        }
    }

    /// Assigns the free partitions to the members that are to own them.
    pub(crate) fn grant(&mut self) -> Result<(), Broken> {
        for (input, (position, metadata)) in &self.committed {
            let is_pending = self.pending.values().flatten().any(|pending| pending.input == *input);
            let member = self.targets.get(input).filter(|member| self.members.contains_key(member));
            if let (false, false, Some(member)) = (self.owners.contains_key(input), is_pending, member) {
                let Ok(completed) = CompletedRanges::from_bytes(*position, metadata) else {
                    return broken("P2", format!("{input:?} at {position}: unreadable {metadata:?}"));
                };
                self.owners.insert(*input, *member);
                let start = Start { input: *input, position: *position, completed };
                self.events.entry(*member).or_default().push_back(GroupEvent::Assigned(start));
            }
        }
        Ok(())
    }

    /// Adds a member, or adds it again.
    pub(crate) fn join(&mut self, member: u32, rng: &mut Rng) {
        self.members.insert(member, 0);
        self.events.remove(&member);
        self.rebalance(rng);
    }

    /// Removes a member and everything that it owned.
    pub(crate) fn leave(&mut self, member: u32, rng: &mut Rng) {
        self.members.remove(&member);
        self.events.remove(&member);
        let owners = &self.owners;
        self.revoking.retain(|input| owners.get(input) != Some(&member));
        self.owners.retain(|_, owner| *owner != member);
        self.rebalance(rng);
    }

    /// Expires a member's session. It is notified on its next poll.
    pub(crate) fn expire(&mut self, member: u32, rng: &mut Rng) {
        self.leave(member, rng);
        self.events.entry(member).or_default().push_back(GroupEvent::Lost);
    }

    /// Starts a new generation. Members are notified of revocations on their next poll.
    pub(crate) fn rebalance(&mut self, rng: &mut Rng) {
        self.generation += 1;
        let members: Vec<u32> = self.members.keys().copied().collect();
        for generation in self.members.values_mut() {
            *generation = self.generation;
        }
        let mut revoked: BTreeMap<u32, BTreeSet<InputPartition>> = BTreeMap::new();
        for input in self.committed.keys() {
            let old = self.targets.get(input).filter(|member| members.contains(member)).copied();
            let stays = old.is_some() && rng.chance(60);
            let new = if stays { old } else { rng.pick(&members).copied() };
            match new {
                Some(member) => self.targets.insert(*input, member),
                None => self.targets.remove(input),
            };
            let Some(owner) = self.owners.get(input) else { continue };
            if new.is_some_and(|new| new != *owner) && self.revoking.insert(*input) {
                revoked.entry(*owner).or_default().insert(*input);
            }
        }
        for (member, inputs) in revoked {
            self.events.entry(member).or_default().push_back(GroupEvent::Revoked(inputs));
        }
    }

    /// Returns the next event of a member. While a revocation is `draining`, only the loss of its session reaches it.
    pub(crate) fn poll(&mut self, member: u32, draining: bool) -> Option<GroupEvent> {
        let events = self.events.get_mut(&member)?;
        events.pop_front_if(|event| !draining || matches!(event, GroupEvent::Lost))
    }

    pub(crate) fn generation_of(&self, member: u32) -> Option<u32> {
        self.members.get(&member).copied()
    }

    /// Returns `true` if no member has an event to poll and every partition has its owner.
    pub(crate) fn is_at_rest(&self) -> bool {
        let is_owned = |input: &InputPartition| self.owners.get(input) == self.targets.get(input);
        self.events.values().all(VecDeque::is_empty) && self.committed.keys().all(is_owned)
    }

    pub(crate) fn acknowledge_revocation(&mut self, member: u32, input: InputPartition) {
        if self.owners.get(&input) == Some(&member) {
            self.owners.remove(&input);
            self.revoking.remove(&input);
        }
    }

    /// Returns `true` if a member of this generation may commit.
    pub(crate) fn accepts(&self, member: u32, generation: Option<u32>) -> bool {
        generation.is_some() && self.generation_of(member) == generation
    }

    /// Adds the offsets of an open transaction.
    pub(crate) fn send_offsets(&mut self, transaction: u64, positions: &[Position]) {
        self.pending.insert(transaction, positions.to_vec());
    }

    /// Ends a transaction: its offsets are committed, or removed.
    pub(crate) fn end(&mut self, transaction: u64, commits: bool) -> Result<(), Broken> {
        match self.pending.remove(&transaction) {
            Some(positions) if commits => self.commit(&positions),
            _ => Ok(()),
        }
    }

    /// Commits offsets, which never decrease.
    pub(crate) fn commit(&mut self, positions: &[Position]) -> Result<(), Broken> {
        for Position { input, offset, completed } in positions {
            let stored = (*offset, completed.to_bytes(*offset));
            let before = self.committed.insert(*input, stored).map_or(0, |(before, _)| before);
            if *offset < before {
                return broken("P3", format!("{input:?} decreases from {before} to {offset}"));
            }
        }
        Ok(())
    }
}
