//! Events of the records of a chunk: bars, news and corporate actions.

use contracts::{ClosedBar, CorporateAction, EncodeError, NewsItem, ids};
use domain::calendar::{self, Date};
use domain::{Bar, Timeframe};
use kafka_io::{OutRecord, Wire};
use kit::SaturatingFrom;

use super::request::Request;
use crate::sources::{Action, News, Records};

/// Writes the records of the source with this name on behalf of a request.
pub(super) struct RecordWriter<'w> {
    pub(super) wire: &'w Wire,
    pub(super) source_name: &'static str,
    pub(super) request: &'w Request,
}

impl RecordWriter<'_> {
    /// Returns an output per record, with space for `more` outputs. Bars have this timeframe.
    pub(super) fn write(
        &self,
        records: &Records,
        timeframe: Option<Timeframe>,
        more: usize,
    ) -> Result<Vec<OutRecord>, EncodeError> {
        let traceparent = self.request.traceparent.as_deref();
        let mut outputs = Vec::with_capacity(records.len() + more);
        match (records, timeframe) {
            (Records::Bars(bars), Some(timeframe)) => {
                for bar in bars {
                    outputs.push(self.wire.write(&self.closed_bar(timeframe, bar), traceparent)?);
                }
            }
            // A series of bars has a timeframe.
            (Records::Bars(_), None) => {}
            (Records::News(news), _) => {
                for item in news {
                    outputs.push(self.wire.write(&self.news_item(item), traceparent)?);
                }
            }
            (Records::Actions(actions), _) => {
                for action in actions {
                    outputs.push(self.wire.write(&self.corporate_action(action), traceparent)?);
                }
            }
        }
        Ok(outputs)
    }

    fn closed_bar(&self, timeframe: Timeframe, bar: &Bar) -> ClosedBar {
        ClosedBar {
            event_id: ids::event_id(),
            // The time of the close is not ahead of the clock: bars that have not closed are not fetched.
            occurred_at: calendar::bar_close(timeframe, bar.open_time).micros(),
            source: self.source_name.to_owned(),
            correlation_id: self.request.event.correlation_id.clone(),
            symbol: self.request.event.symbol.clone(),
            timeframe: timeframe.as_str().to_owned(),
            open_time: bar.open_time.micros(),
            open: bar.open,
            high: bar.high,
            low: bar.low,
            close: bar.close,
            volume: bar.volume,
            vwap: None,
            trades: None,
            backfilled: true,
        }
    }

    fn news_item(&self, item: &News) -> NewsItem {
        NewsItem {
            event_id: ids::news_id(self.source_name, self.request.symbol, &item.id),
            occurred_at: item.time.micros(),
            source: self.source_name.to_owned(),
            correlation_id: self.request.event.correlation_id.clone(),
            symbol: self.request.event.symbol.clone(),
            time: item.time.micros(),
            headline: item.headline.clone(),
            url: item.url.clone(),
            sentiment: item.sentiment,
        }
    }

    fn corporate_action(&self, action: &Action) -> CorporateAction {
        // The ex-date has begun: records behind the horizon are not written.
        let time = action.announced.unwrap_or_else(|| action.time()).micros();
        CorporateAction {
            event_id: ids::action_id(self.source_name, &action.id),
            occurred_at: time,
            source: self.source_name.to_owned(),
            correlation_id: self.request.event.correlation_id.clone(),
            symbol: self.request.event.symbol.clone(),
            time,
            kind: action.kind.as_str().to_owned(),
            ratio: action.ratio,
            amount: action.amount,
            ex_date: days_since_1970(action.ex_date),
        }
    }
}

fn days_since_1970(date: Date) -> i32 {
    i32::saturating_from(date.duration_since(Date::constant(1970, 1, 1)).as_hours() / 24)
}
