//! The stages with a dedup window, bridge and announcer: which inputs owe an output, and whether each has its one.
//!
//! Windows are replayed over the input topic in log order. In that order every owner of a partition judges, also after a crash, and what
//! it restores are the windows of the answers in the log. So:
//!
//! - An ask that passes has its answer. It may do without when answers in whose window it lies cover it, and each asks for **more** than
//!   it does or opened its window after the one that is in force here: they left before a crash in which it was still waiting. (The topics
//!   can't tell this from an answer that was taken away; what answered that one is then an answer to nothing, and is counted so.)
//! - An ask that its window covers has none. It may have one when the window had been forgotten by the clock, or when a newer window's
//!   answer was in the log before.
//! - An answer that names an ask a second time, or one that is nowhere, is one too many. (Where the oldest asks are deleted already,
//!   nobody can know whom it names.)

use std::collections::HashMap;

use contracts::Topic;
use domain::{FeatureSets, Symbol};

use super::order::Order;
use super::seen::{Answer, Answers, Ask, Letters, Naming, Subject};
use super::tally::{Count, Stage};
use super::window::{Asked, Window};

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
    /// Answers by subject, as indexes of answer and member; made when first needed.
    by_subject: Option<Vec<(Subject, usize, usize)>>,
}

impl Judging<'_> {
    /// Counts; and gives for each ask the answer that names it, as an index of the answers' list.
    pub(super) fn judge(&self, count: &mut Count) -> Vec<Option<usize>> {
        let mut replay = Replay {
            judging: self,
            windows: HashMap::new(),
            taken: vec![false; self.answers.namings.len()],
            by_subject: None,
        };
        let mut order: Order<(Symbol, Topic, u8, FeatureSets)> = Order::new();
        let mut answered = Vec::with_capacity(self.asks.len());
        for ask in self.asks {
            count.of(self.stage).inputs += 1;
            let fate = match self.letters.contains_key(&ask.place) {
                true => None,
                false => Some(replay.judge(ask)),
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
    fn judge(&mut self, ask: &Ask) -> Fate {
        let window_micros = self.judging.window_micros;
        if ask.is_manual {
            return self.take(ask).map_or(Fate::Lost, Fate::Answered);
        }
        if self.has_been_forgotten(ask) {
            self.windows.remove(&ask.subject);
        }
        let inside = self.windows.get(&ask.subject).map(|window| ask.occurred_at - window.opened_at);
        match inside {
            Some(distance) if distance < -window_micros => self.pass(ask, None),
            Some(distance) if distance <= window_micros => self.inside(ask),
            _ => self.pass(ask, Some(Window::opened_at(ask.occurred_at))),
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

    /// An ask that passes: inside its window when `opens` is none and there is one that it lies in, else with the one that it opens.
    fn pass(&mut self, ask: &Ask, opens: Option<Window>) -> Fate {
        let in_force = self.windows.get(&ask.subject).map(|window| window.opened_at);
        let naming = self.take(ask);
        if let Some(mut window) = opens {
            self.note(&mut window, ask, naming);
            self.windows.insert(ask.subject, window);
        }
        self.fate(ask, naming, in_force)
    }

    fn inside(&mut self, ask: &Ask) -> Fate {
        let Some(mut window) = self.windows.get(&ask.subject).copied() else { return Fate::Lost };
        if window.passed.covers(ask.sets, ask.priority) {
            return self.covered(ask, &window);
        }
        let naming = self.take(ask);
        self.note(&mut window, ask, naming);
        self.windows.insert(ask.subject, window);
        self.fate(ask, naming, Some(window.opened_at))
    }

    /// An ask that its window covers: without an answer, but for what the module's text allows.
    fn covered(&mut self, ask: &Ask, window: &Window) -> Fate {
        let Some(naming) = self.naming_of(ask) else { return Fate::Covered };
        let at_ms = self.answer_of(naming).appended_at_ms;
        let is_known = window.answered.covers(ask.sets, ask.priority)
            && window.is_alive(at_ms, self.judging.window_micros);
        if !is_known {
            self.taken[naming] = true;
            let mut anew = Window::opened_at(ask.occurred_at);
            self.note(&mut anew, ask, Some(naming));
            self.windows.insert(ask.subject, anew);
            return Fate::Answered(naming);
        }
        if self.is_after_newer_window(ask.subject, window.opened_at, at_ms) {
            self.taken[naming] = true;
            return Fate::Answered(naming);
        }
        Fate::Covered
    }

    fn note(&self, window: &mut Window, ask: &Ask, naming: Option<usize>) {
        window.passed.raise(ask.sets, ask.priority);
        if let Some(naming) = naming {
            window.answered.raise(ask.sets, ask.priority);
            window.announced(self.answer_of(naming).appended_at_ms);
        }
    }

    fn fate(&mut self, ask: &Ask, naming: Option<usize>, in_force: Option<i64>) -> Fate {
        match naming {
            Some(naming) => Fate::Answered(naming),
            None if self.is_covered_otherwise(ask, in_force) => Fate::Covered,
            None => Fate::Lost,
        }
    }

    fn answer_of(&self, naming: usize) -> &Answer {
        &self.judging.answers.list[self.judging.answers.namings[naming].answer]
    }

    fn take(&mut self, ask: &Ask) -> Option<usize> {
        let naming = self.naming_of(ask)?;
        self.taken[naming] = true;
        Some(naming)
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

    /// Whether answers in whose window it lies ask for all of it, each for more than it does, in sets or in priority, or in a window that
    /// opened after `in_force`, the one that this replay knows.
    fn is_covered_otherwise(&mut self, ask: &Ask, in_force: Option<i64>) -> bool {
        let window_micros = self.judging.window_micros;
        let mut asked = Asked::NOTHING;
        let mut is_any = false;
        self.each_answer(ask.subject, |answer, first_seen| {
            let is_more = answer.priority > ask.priority || answer.sets.union(ask.sets) != ask.sets;
            let is_newer = in_force.is_some_and(|opened_at| first_seen > opened_at);
            if (is_more || is_newer) && (ask.occurred_at - first_seen).abs() <= window_micros {
                asked.raise(answer.sets, answer.priority);
                is_any = true;
            }
        });
        is_any && asked.covers(ask.sets, ask.priority)
    }

    /// Whether an answer of a window that opened after `opened_at` was in the log at `at_ms`.
    fn is_after_newer_window(&mut self, subject: Subject, opened_at: i64, at_ms: i64) -> bool {
        let mut is_after = false;
        self.each_answer(subject, |answer, first_seen| {
            is_after |= first_seen > opened_at && answer.appended_at_ms < at_ms;
        });
        is_after
    }

    /// Calls with each answer about this subject, and with what opened its window.
    fn each_answer(&mut self, subject: Subject, mut call: impl FnMut(&Answer, i64)) {
        let answers = self.judging.answers;
        let by_subject = self.by_subject.get_or_insert_with(|| index(answers));
        let first = by_subject.partition_point(|(other, ..)| *other < subject);
        for (_, answer, member) in by_subject[first..].iter().take_while(|(other, ..)| *other == subject) {
            call(&answers.list[*answer], answers.members[*member].first_seen);
        }
    }
}

fn index(answers: &Answers) -> Vec<(Subject, usize, usize)> {
    let mut index = Vec::with_capacity(answers.members.len());
    for (at, answer) in answers.list.iter().enumerate() {
        for member in answer.members.clone() {
            index.extend(answers.members.get(member).map(|known| (known.subject, at, member)));
        }
    }
    index.sort_unstable();
    index
}

impl std::fmt::Display for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} ({})", self.id, self.subject.symbol(), self.place)
    }
}
