//! Calls of workers: all pages of a range, joined with other calls, and the check of a symbol without records.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use domain::calendar::{Date, day_open};
use domain::{Interval, Symbol, Timeframe};

use super::bars::Bars;
use super::error::{AlpacaError, FailedCall, PAGES_MAX};
use super::pages::{BySymbol, Content, Pages};
use super::query::Query;
use super::{Alpaca, Call, CallJoiner, horizon_of};

/// Before the first bar of the vendor, whose history begins in 2016.
const HISTORY_START: Date = Date::constant(2015, 1, 1);

/// The maximum number of symbols that are kept as listed; more are requested again.
const LISTED_MAX: usize = 20_000;

impl Alpaca {
    /// Fetches the records of the symbol of the call, in a joined call if other workers need the same range.
    pub(super) fn fetch<K: Ord + Clone, C: Content<Record: Clone>>(
        &self,
        joiner: &CallJoiner<K, C::Record>,
        key: &K,
        call: Call,
        query: impl Fn(&[Symbol]) -> Query<'_>,
        content: impl Fn(&[Symbol]) -> C,
    ) -> Result<Vec<C::Record>, FailedCall> {
        let pages = |symbols: &[Symbol]| {
            let pages = self.pages(query(symbols), content(symbols), call);
            self.run(call, pages).map(Arc::new).map_err(Arc::new)
        };
        let own = |records: &BySymbol<C::Record>| records.get(&call.symbol).cloned().unwrap_or_default();
        let joined = joiner.call(key, call.symbol, call.deadline, pages);
        let Some(joined) = joined else { return Err(AlpacaError::Deadline(self.call_max).into()) };
        let mut error = match joined.result {
            Ok(records) => return Ok(own(&records)),
            Err(error) => FailedCall { error, is_shared: !joined.is_caller },
        };
        if joined.symbols > 1 && error.error.may_be_of_one_symbol() {
            match pages(&[call.symbol]) {
                Ok(records) => return Ok(own(&records)),
                Err(own) => error = FailedCall { error: own, is_shared: false },
            }
        }
        Err(error)
    }

    async fn pages<C: Content>(
        &self,
        query: Query<'_>,
        content: C,
        call: Call,
    ) -> Result<BySymbol<C::Record>, AlpacaError> {
        let mut pages = Pages::new(content);
        let mut token = None;
        for page in 1..=PAGES_MAX {
            let body = self.client.page(query, token.as_deref(), call.deadline).await?;
            token = pages.add(&body).map_err(|cause| AlpacaError::Page { page, cause })?;
            if token.is_none() {
                return Ok(pages.into_records());
            }
        }
        Err(AlpacaError::TooManyPages)
    }

    /// Distinguishes a symbol without records in a range from one that the vendor does not have.
    pub(super) fn check_listed(&self, call: Call) -> Result<(), AlpacaError> {
        if self.listed().contains(&call.symbol) {
            return Ok(());
        }
        let (symbols, timeframe) = ([call.symbol], Timeframe::Day1);
        // Only days that every plan has.
        let end = horizon_of(timeframe, self.client.now(), Duration::from_secs(86_400));
        let Ok(range) = Interval::new(day_open(HISTORY_START), end) else { return Ok(()) };
        let query = Query::Bars { symbols: &symbols, timeframe, range, limit: Some(1) };
        let body = self.run(call, self.client.page(query, None, call.deadline))?;
        let mut pages = Pages::new(Bars::new(&symbols, timeframe, range));
        pages.add(&body).map_err(|cause| AlpacaError::Page { page: 1, cause })?;
        if pages.into_records().values().all(Vec::is_empty) {
            return Err(AlpacaError::Unlisted);
        }
        let mut listed = self.listed();
        if listed.len() >= LISTED_MAX {
            listed.clear();
        }
        listed.insert(call.symbol);
        Ok(())
    }

    /// Waits for requests, until the deadline at most.
    fn run<T>(
        &self,
        call: Call,
        requests: impl Future<Output = Result<T, AlpacaError>>,
    ) -> Result<T, AlpacaError> {
        let within = async { tokio::time::timeout_at(call.deadline.into(), requests).await };
        self.runtime.block_on(within).unwrap_or(Err(AlpacaError::Deadline(self.call_max)))
    }

    fn listed(&self) -> MutexGuard<'_, BTreeSet<Symbol>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
