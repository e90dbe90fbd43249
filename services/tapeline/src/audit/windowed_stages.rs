//! The stages with a dedup window, bridge and announcer: which inputs owe an output, and whether each has its one.
//!
//! Windows are replayed over the input topic in log order. In that order every owner of a partition judges, and one that comes after a
//! crash finds at each ask the window that the one before it had there: what it restores is done at the place of what did it (ADR 043).
//! So:
//!
//! - An ask that passes has its answer.
//! - An ask that its window covers has none, unless the window had been forgotten by the clock.
//! - An answer that names an ask a second time, or one that is nowhere, is one too many. (Where the oldest asks are deleted already,
//!   nobody can know whom it names.)

use std::collections::HashMap;

use contracts::Topic;
use domain::{FeatureSets, Symbol};

use super::order::Order;
use super::seen::{Answer, Answers, Ask, Letters, Naming, Subject};
use super::tally::{Count, Stage};
use super::window::Window;

/// What is compared.
pub(super) struct Judging<'a> {
    pub(super) stage: Stage,
    pub(super) window_micros: i64,
    /// In order of partition and offset.
    pub(super) asks: &'a [Ask],
    pub(super) answers: &'a Answers,
    pub(super) letters: &'a Letters,
    /// The oldest asks are deleted already.
    pub(super) is_truncated: bool,
}

/// What becomes of an ask.
enum Fate {
    /// This naming answers it.
    Answered(usize),
    Covered,
    Lost,
}

/// The state of a judgement.
struct Replay<'a> {
    judging: &'a Judging<'a>,
    windows: HashMap<Subject, Window>,
    /// Of each naming, whether it is an ask's.
    taken: Vec<bool>,
}

impl Judging<'_> {
    /// Counts; and gives for each ask the answer that names it, as an index of the answers' list.
    pub(super) fn count(&self, count: &mut Count) -> Vec<Option<usize>> {
        let mut replay =
            Replay { judging: self, windows: HashMap::new(), taken: vec![false; self.answers.namings.len()] };
        let mut order: Order<(Symbol, Topic, u8, FeatureSets)> = Order::new();
        let mut answered = Vec::with_capacity(self.asks.len());
        for ask in self.asks {
            count.of(self.stage).inputs += 1;
            let fate = match self.letters.contains_key(&ask.place) {
                true => None,
                false => Some(replay.count(ask)),
            };
            answered.push(match fate {
                None => None,
                Some(Fate::Covered) => {
                    count.of(self.stage).covered += 1;
                    None
                }
                Some(Fate::Lost) => {
                    count.of(self.stage).expected += 1;
                    count.lost(self.stage, || format!("{ask} is in no {}", self.output()));
                    None
                }
                Some(Fate::Answered(naming)) => {
                    count.of(self.stage).expected += 1;
                    count.of(self.stage).found += 1;
                    let index = self.answers.namings[naming].answer;
                    let answer = &self.answers.list[index];
                    let key = (ask.subject.symbol(), answer.place.topic, ask.priority, ask.sets);
                    if order.is_late(key, answer.place.offset) {
                        count.reordered(self.stage, || {
                            format!("{}, which answers {ask}, came too early", answer.place)
                        });
                    }
                    Some(index)
                }
            });
        }
        self.count_left_over(&replay.taken, count);
        answered
    }

    /// Namings that are no ask's.
    fn count_left_over(&self, taken: &[bool], count: &mut Count) {
        let known: std::collections::HashSet<_> = match self.is_truncated {
            true => self.asks.iter().map(|ask| ask.id).collect(),
            false => std::collections::HashSet::new(),
        };
        for (naming, _) in self.answers.namings.iter().zip(taken).filter(|(_, taken)| !**taken) {
            if self.is_truncated && !known.contains(&naming.id) {
                continue;
            }
            let answer = &self.answers.list[naming.answer];
            count.doubled(self.stage, 1, || {
                format!("{} names {}, which is answered, covered, or nowhere", answer.place, naming.id)
            });
        }
    }

    const fn output(&self) -> &'static str {
        match self.stage {
            Stage::Announcer => "announcement",
            _ => "request",
        }
    }
}

impl Replay<'_> {
    fn count(&mut self, ask: &Ask) -> Fate {
        let window_micros = self.judging.window_micros;
        if ask.is_manual {
            return self.pass(ask, None);
        }
        if self.has_been_forgotten(ask) {
            self.windows.remove(&ask.subject);
        }
        let Some(window) = self.windows.get(&ask.subject).copied() else {
            return self.pass(ask, Some(Window::opened_at(ask.occurred_at)));
        };
        match ask.occurred_at - window.opened_at {
            distance if distance < -window_micros => self.pass(ask, None),
            distance if distance > window_micros => self.pass(ask, Some(Window::opened_at(ask.occurred_at))),
            _ if window.passed.covers(ask.sets, ask.priority) => self.covered(ask, &window),
            _ => self.pass(ask, Some(window)),
        }
    }

    /// Whether the window that is in force here had been forgotten by the clock when this ask, which has an answer, was judged: that was
    /// between the ask's and the answer's append. Where that leaves it open, the answer says which window it is in.
    fn has_been_forgotten(&self, ask: &Ask) -> bool {
        let window_micros = self.judging.window_micros;
        let Some(window) = self.windows.get(&ask.subject) else { return false };
        let Some(naming) = self.naming_of(ask) else { return false };
        let answer = self.answer_of(naming);
        let mut members = self.judging.answers.members_of(answer).iter();
        let is_in_another = members
            .find(|member| member.subject == ask.subject)
            .is_some_and(|member| member.first_seen != window.opened_at);
        let is_inside = (ask.occurred_at - window.opened_at).abs() <= window_micros;
        let may_be_over = window.is_announced() && !window.is_alive(answer.appended_at_ms, window_micros);
        window.is_over(ask.appended_at_ms, window_micros) || is_inside && is_in_another && may_be_over
    }

    /// An ask that passes, in this window.
    fn pass(&mut self, ask: &Ask, window: Option<Window>) -> Fate {
        let naming = self.naming_of(ask);
        if let Some(mut window) = window {
            window.passed.raise(ask.sets, ask.priority);
            if let Some(naming) = naming {
                window.announced(self.answer_of(naming).appended_at_ms);
            }
            self.windows.insert(ask.subject, window);
        }
        match naming {
            Some(naming) => {
                self.taken[naming] = true;
                Fate::Answered(naming)
            }
            None => Fate::Lost,
        }
    }

    /// An ask that its window covers. One that has an answer all the same is its next window's first, if the clock can have forgotten
    /// this one.
    fn covered(&mut self, ask: &Ask, window: &Window) -> Fate {
        let answered_at_ms = self.naming_of(ask).map(|naming| self.answer_of(naming).appended_at_ms);
        match answered_at_ms {
            Some(at_ms) if !window.is_alive(at_ms, self.judging.window_micros) => {
                self.pass(ask, Some(Window::opened_at(ask.occurred_at)))
            }
            _ => Fate::Covered,
        }
    }

    fn answer_of(&self, naming: usize) -> &Answer {
        &self.judging.answers.list[self.judging.answers.namings[naming].answer]
    }

    /// The first naming that answers this ask and is nobody's yet.
    fn naming_of(&self, ask: &Ask) -> Option<usize> {
        let answers = self.judging.answers;
        let first = answers.namings.partition_point(|naming| naming.id < ask.id);
        let named = answers.namings[first..].iter().take_while(|naming| naming.id == ask.id);
        let fits = |naming: &Naming| {
            let answer = &answers.list[naming.answer];
            let asks_as_much = answer.priority >= ask.priority && answer.sets.union(ask.sets) == answer.sets;
            let is_about = |member: &super::Member| {
                member.subject == ask.subject && member.occurred_at >= ask.occurred_at
            };
            asks_as_much && answers.members_of(answer).iter().any(is_about)
        };
        named
            .enumerate()
            .map(|(index, naming)| (first + index, naming))
            .find(|(index, naming)| !self.taken[*index] && fits(naming))
            .map(|(index, _)| index)
    }
}

impl std::fmt::Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} ({})", self.id, self.subject.symbol(), self.place)
    }
}
