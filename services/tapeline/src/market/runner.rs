//! Runs a market date by date: publishes the bars until they are acknowledged, posts the findings of the date, and waits until the
//! alerts are resolved. So two runs give the same vectors.

use std::time::Duration;

use contracts::{ClosedBar, ids};
use devstack::replay::{Step, SymbolPlan};
use devstack::scanner::Found;
use domain::{Bar, Symbol, Timeframe, calendar};
use kafka_io::{BatchProducer, OutRecord, Wire};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::alert_tracker::AlertPosition;
use super::alert_waiter::AlertWaiter;
use super::args::Speed;
use super::finding_poster::{FindingPoster, FindingText, PostedFindings};
use super::plan::MarketPlan;
use super::progress_bar::DateProgress;
use super::rejected_findings::RejectedFindings;
use super::topic_follower::TopicFollower;
use crate::exit::{Cause, Failure};
use crate::output::escaped;

/// The `source` of the bars and alerts.
const SOURCE: &str = "tapeline-replay";

/// The layer that each symbol is proposed for: catalyst.
const PROPOSED_LAYER: i32 = 2;

/// The run fails after this time without a completed backfill.
const BACKFILL_TIMEOUT: Duration = Duration::from_secs(30);

/// Attempts at publishing a date's bars.
const PUBLISH_ATTEMPTS_MAX: u32 = 5;

/// Characters of a rejected finding that are printed.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// The clients of a run.
pub struct MarketRunner {
    pub poster: FindingPoster,
    pub waiter: AlertWaiter,
    /// Shows when backfills end.
    pub follower: TopicFollower,
    /// Publishes bars.
    pub producer: BatchProducer,
    /// Encodes bars.
    pub wire: Wire,
    pub progress: DateProgress,
    /// Counts the rejected findings of the file.
    pub rejected: RejectedFindings,
}

impl MarketRunner {
    /// Runs the plan to its end.
    ///
    /// # Errors
    /// If the edge or the brokers are unreachable, or a stage makes no progress.
    pub async fn run(&mut self, mut plan: MarketPlan) -> Result<(), Failure> {
        for (line, error) in std::mem::take(&mut plan.findings.broken) {
            self.reject(Some(line), &error.to_string());
        }
        self.propose(&plan.replay.symbols).await?;
        self.progress.start(plan.replay.len());
        let mut next_at = Instant::now();
        for step in plan.replay.steps() {
            if let Speed::DatesPerSecond(rate) = plan.speed {
                sleep_until(next_at).await;
                next_at = Instant::now() + Duration::from_secs_f64(1.0 / rate);
            }
            self.publish(&step).await?;
            let found_at = step.found_at();
            let scanned = step.findings.iter().map(|(symbol, found)| alert_line(*symbol, found, &step));
            let mut findings: Vec<FindingText> = scanned.map(own).collect();
            findings.extend(plan.findings.take_until(found_at));
            self.post_and_wait(findings).await?;
            self.progress.complete(step.date);
        }
        self.post_and_wait(plan.findings.take_all()).await?;
        self.progress.finish();
        Ok(())
    }

    /// Proposes every symbol, and waits until the backfill of each has ended.
    async fn propose(&mut self, symbols: &[SymbolPlan]) -> Result<(), Failure> {
        let proposals = symbols.iter().filter_map(proposal_line).map(own).collect();
        expect_valid(self.poster.post(proposals).await?)?;
        let mut open: Vec<String> = symbols.iter().map(|plan| plan.symbol.to_string()).collect();
        let mut progress_at = Instant::now();
        while !open.is_empty() {
            let before = open.len();
            self.follower.with(|tracker| {
                open.retain(|symbol| match tracker.backfill_errors(symbol) {
                    Some("") => false,
                    Some(errors) => {
                        tracing::warn!(symbol, errors, "backfill failed or is partial");
                        false
                    }
                    None => true,
                });
            });
            if open.len() < before {
                progress_at = Instant::now();
            }
            if progress_at.elapsed() > BACKFILL_TIMEOUT {
                return Err(Failure::not_ok(format!(
                    "backfill of {} timed out after {} s: a symbol that was announced within the last day is not announced again",
                    open.join(", "),
                    BACKFILL_TIMEOUT.as_secs()
                )));
            }
            self.follower.changed(Duration::from_millis(200)).await?;
        }
        Ok(())
    }

    async fn publish(&self, step: &Step) -> Result<(), Failure> {
        let mut records = Vec::with_capacity(step.bars.len());
        for (symbol, bar) in &step.bars {
            let event = closed_bar(*symbol, bar);
            let trace = ids::traceparent(&event.event_id);
            records.push(self.wire.write(&event, Some(&trace)).map_err(Failure::not_ok)?);
        }
        let mut last_error = None;
        for _ in 0..PUBLISH_ATTEMPTS_MAX {
            let results = self.producer.produce(records.clone()).await;
            // Bars are idempotent by key, so a batch in doubt may be sent again.
            let left: Vec<OutRecord> = records
                .into_iter()
                .zip(results)
                .filter_map(|(record, result)| result.err().map(|error| (record, error)))
                .map(|(record, error)| {
                    last_error = Some(error);
                    record
                })
                .collect();
            if left.is_empty() {
                return Ok(());
            }
            records = left;
        }
        let context = format!("failed to publish the bars of {}", step.date);
        Err(Failure::Unreachable(match last_error {
            Some(error) => Cause::new(context, error),
            None => Cause::Message(context),
        }))
    }

    async fn post_and_wait(&mut self, findings: Vec<FindingText>) -> Result<(), Failure> {
        if findings.is_empty() {
            return Ok(());
        }
        let posted = self.poster.post(findings).await?;
        for (finding, reason) in &posted.invalid {
            self.reject(finding.line, &format!("{reason}: {}", escaped(&finding.text, SHOWN_CHARACTERS_MAX)));
        }
        for (line, warning) in &posted.warnings {
            if let Some(text) = self.rejected.warn(*line, warning) {
                self.progress.print(&text);
            }
        }
        self.waiter.wait_until_resolved(posted.alerts).await
    }

    /// Counts and prints a rejected finding.
    fn reject(&self, line: Option<u64>, reason: &str) {
        if let Some(text) = self.rejected.add(line, reason) {
            self.progress.print(&text);
        }
    }
}

/// Returns the positions of the scanner's own findings. A rejected one is a bug of this build or of the edge's configuration.
fn expect_valid(posted: PostedFindings) -> Result<Vec<AlertPosition>, Failure> {
    match posted.invalid.first() {
        Some((finding, reason)) => {
            let text = escaped(&finding.text, SHOWN_CHARACTERS_MAX);
            Err(Failure::not_ok(format!("the edge rejected {text}: {reason}")))
        }
        None => Ok(posted.alerts),
    }
}

fn own(text: String) -> FindingText {
    FindingText { line: None, text }
}

fn proposal_line(plan: &SymbolPlan) -> Option<String> {
    let at = plan.proposed_at()?;
    let proposal = json!({
        "event": "scanner.symbol.proposed", "occurred_at": at.to_string(), "source": SOURCE,
        "symbol": plan.symbol.as_str(), "from_layer": null, "to_layer": PROPOSED_LAYER,
        "reason": "its bars are replayed", "metrics": {"bars": plan.bars.len()},
    });
    Some(proposal.to_string())
}

fn alert_line(symbol: Symbol, found: &Found, step: &Step) -> String {
    json!({
        "event": "scanner.alert.raised", "event_id": ids::event_id(), "occurred_at": step.found_at().to_string(),
        "source": SOURCE, "symbol": symbol.as_str(), "alert_type": found.alert_type.as_str(), "score": found.score,
        "message": found.message, "source_scanner": SOURCE, "metadata": {"date": step.date.to_string()},
    })
    .to_string()
}

fn closed_bar(symbol: Symbol, bar: &Bar) -> ClosedBar {
    let event_id = ids::event_id();
    ClosedBar {
        occurred_at: calendar::bar_close(Timeframe::Day1, bar.open_time).micros(),
        source: SOURCE.to_owned(),
        correlation_id: Some(event_id.clone()),
        event_id,
        symbol: symbol.to_string(),
        timeframe: Timeframe::Day1.as_str().to_owned(),
        open_time: bar.open_time.micros(),
        open: bar.open,
        high: bar.high,
        low: bar.low,
        close: bar.close,
        volume: bar.volume,
        vwap: None,
        trades: None,
        backfilled: false,
    }
}
