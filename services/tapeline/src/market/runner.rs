//! The market of a run, date by date: bars published and acknowledged, then the findings of the date, then waiting for their
//! ends. So two runs give the same vectors.

use std::time::Duration;

use contracts::{ClosedBar, ids};
use devstack::replay::{Replay, Step, SymbolPlan};
use devstack::scanner::Found;
use domain::{Bar, Symbol, Timeframe, calendar};
use kafka_io::{BatchProducer, OutRecord, Wire};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::post::{Posted, Poster};
use super::settle::Settler;
use super::show::Show;
use crate::cli::Speed;
use crate::exit::Failure;
use crate::findings_file::Findings;
use crate::follow::Follower;

/// Who publishes the bars and raises the alerts.
const SOURCE: &str = "tapeline-replay";

/// The layer that each symbol is proposed for: catalyst.
const PROPOSED_LAYER: i32 = 2;

/// How long a symbol's backfill may take without any other coming to its end.
const BACKFILL_PATIENCE: Duration = Duration::from_secs(30);

/// Attempts at publishing a date's bars.
const PUBLISH_ATTEMPTS_MAX: u32 = 5;

/// What a run does.
#[derive(Debug)]
pub struct Plan {
    /// Bars and findings of the scanner, date by date.
    pub replay: Replay,
    /// How fast.
    pub speed: Speed,
    /// Findings of a file, posted with the date that they speak of.
    pub findings: Findings,
}

/// Everything that a run talks to.
pub struct Market {
    /// To the edge.
    pub poster: Poster,
    /// Waits for alerts.
    pub settler: Settler,
    /// Sees backfills end.
    pub follower: Follower,
    /// Publishes bars.
    pub producer: BatchProducer,
    /// Encodes them.
    pub wire: Wire,
    /// Tells a person how far it is.
    pub show: Show,
}

impl Market {
    /// Runs the plan to its end.
    ///
    /// # Errors
    /// When the edge, the brokers or a stage don't do their part.
    pub async fn run(&mut self, mut plan: Plan) -> Result<(), Failure> {
        self.propose(&plan.replay.symbols).await?;
        self.show.begin(plan.replay.len());
        let mut next_at = Instant::now();
        for step in plan.replay.steps() {
            if let Speed::DatesPerSecond(rate) = plan.speed {
                sleep_until(next_at).await;
                next_at = Instant::now() + Duration::from_secs_f64(1.0 / rate);
            }
            self.publish(&step).await?;
            let found_at = step.found_at();
            let mut lines: Vec<String> =
                step.findings.iter().map(|(symbol, found)| alert_line(*symbol, found, &step)).collect();
            lines.extend(plan.findings.take_until(found_at));
            self.post_and_settle(lines).await?;
            self.show.step(step.date);
        }
        let rest = plan.findings.take_rest();
        self.post_and_settle(rest).await?;
        self.show.end();
        Ok(())
    }

    /// Proposes every symbol, and waits until each has its history.
    async fn propose(&mut self, symbols: &[SymbolPlan]) -> Result<(), Failure> {
        let lines = symbols.iter().filter_map(proposal_line).collect();
        self.refuse_none(self.poster.post(lines).await?)?;
        let mut open: Vec<String> = symbols.iter().map(|plan| plan.symbol.to_string()).collect();
        let mut moved_at = Instant::now();
        while !open.is_empty() {
            let before = open.len();
            self.follower.look(|flow| {
                open.retain(|symbol| match flow.backfill_of(symbol) {
                    Some("") => false,
                    Some(trouble) => {
                        tracing::warn!(symbol, trouble, "backfill ended with trouble");
                        false
                    }
                    None => true,
                });
            });
            if open.len() < before {
                moved_at = Instant::now();
            }
            if moved_at.elapsed() > BACKFILL_PATIENCE {
                return Err(Failure::NotOk(format!(
                    "no backfill of {} has ended within {} s; a symbol that was announced within the last day is not announced again",
                    open.join(", "),
                    BACKFILL_PATIENCE.as_secs()
                )));
            }
            self.follower.news(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// The scanner's own findings are valid: a refusal is a fault of this build or of the edge's configuration.
    fn refuse_none(&self, posted: Posted) -> Result<Vec<(i32, i64)>, Failure> {
        match posted.refused.first() {
            Some((line, fault)) => Err(Failure::NotOk(format!("the edge refused {line}: {fault}"))),
            None => Ok(posted.alerts),
        }
    }

    async fn publish(&self, step: &Step) -> Result<(), Failure> {
        let mut records = Vec::with_capacity(step.bars.len());
        for (symbol, bar) in &step.bars {
            let event = closed_bar(*symbol, bar);
            let trace = ids::traceparent(&event.event_id);
            records.push(self.wire.write(&event, Some(&trace)).map_err(|e| Failure::NotOk(e.to_string()))?);
        }
        let mut fault = String::new();
        for _ in 0..PUBLISH_ATTEMPTS_MAX {
            let results = self.producer.produce(records.clone()).await;
            // The same bar twice is one bar, so an attempt whose end is unknown may be repeated.
            let left: Vec<OutRecord> = records
                .into_iter()
                .zip(results)
                .filter_map(|(record, result)| result.err().map(|error| (record, error)))
                .map(|(record, error)| {
                    fault = error.to_string();
                    record
                })
                .collect();
            if left.is_empty() {
                return Ok(());
            }
            records = left;
        }
        Err(Failure::Unreachable(format!("the bars of {} can't be published: {fault}", step.date)))
    }

    async fn post_and_settle(&mut self, lines: Vec<String>) -> Result<(), Failure> {
        if lines.is_empty() {
            return Ok(());
        }
        let posted = self.poster.post(lines).await?;
        for (line, fault) in &posted.refused {
            self.show.say(&format!("refused: {fault}: {line}"));
        }
        self.settler.settle(posted.alerts).await
    }
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
