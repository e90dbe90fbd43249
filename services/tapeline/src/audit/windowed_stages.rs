//! The stages with a dedup window, bridge and announcer: which inputs require an output, and whether each has exactly one.
//!
//! The windows are reconstructed over the input topic in log order. Every owner of a partition processes in that order, and an owner
//! after a crash has at each input the window that the previous owner had there, because a restored output is applied at the position
//! of its input (ADR 043). Therefore:
//!
//! - An input that passes has an output.
//! - An input that its window covers has none, unless the window had expired by the clock.
//! - An output that refers to an input a second time, or to an input that does not exist, is doubled. (If the first inputs are deleted,
//!   it is unknown whether an output refers to one of them.)

use std::collections::{HashMap, HashSet};

use contracts::Topic;
use domain::{FeatureSets, Symbol};

use super::dedup_window::DedupWindow;
use super::order_check::OrderCheck;
use super::records::{
    DeadLetterCounts, Member, Reference, Subject, WindowedInput, WindowedOutput, WindowedOutputs,
};
use super::result::AuditResult;
use super::stage::Stage;

/// The inputs and outputs of one stage.
pub(super) struct WindowedStage<'a> {
    pub(super) stage: Stage,
    pub(super) window_micros: i64,
    /// By partition and offset.
    pub(super) inputs: &'a [WindowedInput],
    pub(super) outputs: &'a WindowedOutputs,
    pub(super) dead_letters: &'a DeadLetterCounts,
    /// The first inputs were deleted.
    pub(super) is_truncated: bool,
}

/// The outcome of an input.
enum InputOutcome {
    /// It has an output, by this index of the references.
    Found(usize),
    Covered,
    Lost,
}

/// The reconstructed windows of a stage.
struct WindowReplay<'a> {
    stage: &'a WindowedStage<'a>,
    windows: HashMap<Subject, DedupWindow>,
    /// `true` if each reference is assigned to an input.
    assigned: Vec<bool>,
}

impl WindowedStage<'_> {
    /// Counts. Returns the output of each input, as an index of the outputs' list.
    pub(super) fn count(&self, result: &mut AuditResult) -> Vec<Option<usize>> {
        let assigned = vec![false; self.outputs.references.len()];
        let mut replay = WindowReplay { stage: self, windows: HashMap::new(), assigned };
        let mut order: OrderCheck<(Symbol, Topic, u8, FeatureSets)> = OrderCheck::new();
        let mut found = Vec::with_capacity(self.inputs.len());
        for input in self.inputs {
            result.tally(self.stage).inputs += 1;
            let outcome = match self.dead_letters.contains_key(&input.position) {
                true => None,
                false => Some(replay.process(input)),
            };
            found.push(match outcome {
                None => None,
                Some(InputOutcome::Covered) => {
                    result.tally(self.stage).covered += 1;
                    None
                }
                Some(InputOutcome::Lost) => {
                    result.tally(self.stage).expected += 1;
                    result.lost(self.stage, || format!("{input} has no {}", self.output_name()));
                    None
                }
                Some(InputOutcome::Found(reference)) => {
                    result.tally(self.stage).expected += 1;
                    result.tally(self.stage).found += 1;
                    let index = self.outputs.references[reference].output;
                    let output = &self.outputs.list[index];
                    let key = (input.subject.symbol(), output.position.topic, input.priority, input.sets);
                    if order.is_reordered(key, output.position.offset) {
                        let name = self.output_name();
                        result.reordered(self.stage, || {
                            format!("{name} {} of {input} precedes one of an earlier input", output.position)
                        });
                    }
                    Some(index)
                }
            });
        }
        self.count_unassigned(&replay.assigned, result);
        found
    }

    /// Counts references that are assigned to no input.
    fn count_unassigned(&self, assigned: &[bool], result: &mut AuditResult) {
        let known: HashSet<_> = match self.is_truncated {
            true => self.inputs.iter().map(|input| input.id).collect(),
            false => HashSet::new(),
        };
        let references = self.outputs.references.iter().zip(assigned);
        for (reference, _) in references.filter(|(_, assigned)| !**assigned) {
            if self.is_truncated && !known.contains(&reference.id) {
                continue;
            }
            let output = &self.outputs.list[reference.output];
            result.doubled(self.stage, 1, || {
                format!(
                    "{} refers to {}, which is missing, covered, or has an output",
                    output.position, reference.id
                )
            });
        }
    }

    const fn output_name(&self) -> &'static str {
        match self.stage {
            Stage::Announcer => "announcement",
            _ => "request",
        }
    }
}

impl WindowReplay<'_> {
    fn process(&mut self, input: &WindowedInput) -> InputOutcome {
        let window_micros = self.stage.window_micros;
        if input.is_manual {
            return self.pass(input, None);
        }
        if self.is_window_expired(input) {
            self.windows.remove(&input.subject);
        }
        let Some(window) = self.windows.get(&input.subject).copied() else {
            return self.pass(input, Some(DedupWindow::opened_at(input.occurred_at)));
        };
        match input.occurred_at - window.opened_at {
            distance if distance < -window_micros => self.pass(input, None),
            distance if distance > window_micros => {
                self.pass(input, Some(DedupWindow::opened_at(input.occurred_at)))
            }
            _ if window.passed.covers(input.sets, input.priority) => self.cover(input, &window),
            _ => self.pass(input, Some(window)),
        }
    }

    /// `true` if the current window had expired by the clock when this input was processed: between the appends of the input and of its
    /// output. If the times leave that open, the output's own window decides.
    fn is_window_expired(&self, input: &WindowedInput) -> bool {
        let window_micros = self.stage.window_micros;
        let Some(window) = self.windows.get(&input.subject) else { return false };
        let Some(reference) = self.reference_to(input) else { return false };
        let output = self.output_of(reference);
        let mut members = self.stage.outputs.members_of(output).iter();
        let is_in_another = members
            .find(|member| member.subject == input.subject)
            .is_some_and(|member| member.first_seen != window.opened_at);
        let is_inside = (input.occurred_at - window.opened_at).abs() <= window_micros;
        let may_be_expired = window.has_output() && !window.is_active(output.appended_at_ms, window_micros);
        window.is_expired(input.appended_at_ms, window_micros) || is_inside && is_in_another && may_be_expired
    }

    /// Returns the outcome of an input that passes, in this window.
    fn pass(&mut self, input: &WindowedInput, window: Option<DedupWindow>) -> InputOutcome {
        let reference = self.reference_to(input);
        if let Some(mut window) = window {
            window.passed.raise(input.sets, input.priority);
            if let Some(reference) = reference {
                window.output_at(self.output_of(reference).appended_at_ms);
            }
            self.windows.insert(input.subject, window);
        }
        match reference {
            Some(reference) => {
                self.assigned[reference] = true;
                InputOutcome::Found(reference)
            }
            None => InputOutcome::Lost,
        }
    }

    /// Returns the outcome of an input that its window covers. If it has an output nevertheless and the window may have expired by the
    /// clock, the input opened the next window.
    fn cover(&mut self, input: &WindowedInput, window: &DedupWindow) -> InputOutcome {
        let output_at_ms = self.reference_to(input).map(|reference| self.output_of(reference).appended_at_ms);
        match output_at_ms {
            Some(at_ms) if !window.is_active(at_ms, self.stage.window_micros) => {
                self.pass(input, Some(DedupWindow::opened_at(input.occurred_at)))
            }
            _ => InputOutcome::Covered,
        }
    }

    fn output_of(&self, reference: usize) -> &WindowedOutput {
        &self.stage.outputs.list[self.stage.outputs.references[reference].output]
    }

    /// Returns the first unassigned reference to this input whose output requests at least as much.
    fn reference_to(&self, input: &WindowedInput) -> Option<usize> {
        let outputs = self.stage.outputs;
        let first = outputs.references.partition_point(|reference| reference.id < input.id);
        let of_id = outputs.references[first..].iter().take_while(|reference| reference.id == input.id);
        let fits = |reference: &Reference| {
            let output = &outputs.list[reference.output];
            let has_all = output.priority >= input.priority && output.sets.union(input.sets) == output.sets;
            let is_about =
                |member: &Member| member.subject == input.subject && member.occurred_at >= input.occurred_at;
            has_all && outputs.members_of(output).iter().any(is_about)
        };
        of_id
            .enumerate()
            .map(|(index, reference)| (first + index, reference))
            .find(|(index, reference)| !self.assigned[*index] && fits(reference))
            .map(|(index, _)| index)
    }
}

impl std::fmt::Display for WindowedInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} ({})", self.id, self.subject.symbol(), self.position)
    }
}
