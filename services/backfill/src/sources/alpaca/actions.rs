//! Corporate actions: the form of their pages, the checks of each action, and the range of a request.
//!
//! The vendor selects actions by the date on which they are processed, which is weeks after the ex-date of a dividend. An action has its
//! place by its ex-date, so the requested range is longer than the range of the call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use contracts::bounds::RATIO_MAX;
use domain::calendar::{Date, date_of};
use domain::{Interval, Symbol};
use jiff::ToSpan;
use serde::Deserialize;

use super::pages::{
    Bounded, BySymbol, Content, ItemError, Items, PageError, RECORD_BYTES_MAX, empty, nullable, short,
};
use crate::sources::records::{Action, ActionKind, ID_BYTES_MAX};

/// The maximum number of days from the process date to the ex-date.
const EARLIER_DAYS: i32 = 30;

/// The maximum number of days from the ex-date to the process date.
const LATER_DAYS: i32 = 400;

/// The maximum number of unknown types that are logged, each once.
const UNKNOWN_MAX: usize = 100;

#[derive(Deserialize)]
pub(super) struct PageBody {
    /// By the plural of their type. `null` if there are none.
    #[serde(deserialize_with = "nullable")]
    corporate_actions: Option<Bounded<BTreeMap<String, Items>>>,
    /// `null` on the last page.
    #[serde(deserialize_with = "nullable")]
    next_page_token: Option<String>,
}

/// An action of any type.
#[derive(Deserialize)]
struct ActionBody {
    id: String,
    process_date: String,
    ex_date: Option<String>,
    effective_date: Option<String>,
    symbol: Option<String>,
    source_symbol: Option<String>,
    acquiree_symbol: Option<String>,
    acquirer_symbol: Option<String>,
    old_symbol: Option<String>,
    new_symbol: Option<String>,
    alternate_symbol: Option<String>,
    rate: Option<f64>,
    cash_rate: Option<f64>,
    new_rate: Option<f64>,
    old_rate: Option<f64>,
}

/// A type of actions.
#[derive(Debug, Clone, Copy)]
struct Type {
    /// The name of its list.
    list: &'static str,
    terms: Terms,
}

/// The fields of a type that have the symbol, the ex-date and the terms.
#[derive(Debug, Clone, Copy)]
enum Terms {
    Split,
    StockDividend,
    CashDividend,
    /// Shares of another company for those of `source_symbol`.
    Distribution,
    UnitSplit,
    Merger,
    CashMerger,
    StockAndCashMerger,
    Redemption,
    NameChange,
    Removal,
}

const TYPES: [Type; 13] = [
    Type { list: "forward_splits", terms: Terms::Split },
    Type { list: "reverse_splits", terms: Terms::Split },
    Type { list: "stock_dividends", terms: Terms::StockDividend },
    Type { list: "cash_dividends", terms: Terms::CashDividend },
    Type { list: "spin_offs", terms: Terms::Distribution },
    Type { list: "rights_distributions", terms: Terms::Distribution },
    Type { list: "unit_splits", terms: Terms::UnitSplit },
    Type { list: "stock_mergers", terms: Terms::Merger },
    Type { list: "cash_mergers", terms: Terms::CashMerger },
    Type { list: "stock_and_cash_mergers", terms: Terms::StockAndCashMerger },
    Type { list: "redemptions", terms: Terms::Redemption },
    Type { list: "name_changes", terms: Terms::NameChange },
    Type { list: "worthless_removals", terms: Terms::Removal },
];

/// The dates of a request, inclusive: actions that are processed on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ActionDates {
    pub(super) first: Date,
    pub(super) last: Date,
}

/// The names of the lists of unknown types.
#[derive(Debug, Default)]
pub(super) struct UnknownTypes(Mutex<BTreeSet<String>>);

/// The actions of all pages of a request.
pub(super) struct Actions<'a> {
    dates: ActionDates,
    actions: BySymbol<Action>,
    ids: BTreeSet<String>,
    unknown: &'a UnknownTypes,
    bytes: usize,
}

impl ActionDates {
    /// Returns the dates of a request for the actions whose ex-dates start within `range`.
    pub(super) fn of(range: Interval) -> Self {
        let first = date_of(range.start()).saturating_sub(EARLIER_DAYS.days());
        Self { first, last: date_of(range.last()).saturating_add(LATER_DAYS.days()) }
    }

    fn contains(self, date: Date) -> bool {
        (self.first..=self.last).contains(&date)
    }
}

impl UnknownTypes {
    /// Logs a type once.
    fn note(&self, list: &str, actions: usize) {
        let list = short(list, 64);
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !noted.contains(&list) && noted.len() < UNKNOWN_MAX {
            tracing::warn!(list, actions, "corporate actions of an unknown type are not read");
            noted.insert(list);
        }
    }
}

impl<'a> Actions<'a> {
    pub(super) fn new(symbols: &[Symbol], dates: ActionDates, unknown: &'a UnknownTypes) -> Self {
        Self { dates, actions: empty(symbols), ids: BTreeSet::new(), unknown, bytes: 0 }
    }

    /// Returns an action of a requested symbol. `None` if it is one of another symbol that is named with a requested one.
    fn checked(&self, terms: Terms, item: &str) -> Result<Option<(Symbol, Action)>, ItemError> {
        let body: ActionBody = serde_json::from_str(item).map_err(ItemError::Form)?;
        let names = body.names();
        let requested = |name: &str| Symbol::parse(name).ok().filter(|it| self.actions.contains_key(it));
        if !names.iter().any(|name| requested(name).is_some()) {
            return Err(ItemError::Symbols(short(&names.join(","), 64)));
        }
        let process_date = date("process_date", &body.process_date)?;
        let ex_date = body.ex_date(terms, process_date)?;
        if !self.dates.contains(process_date) && !self.dates.contains(ex_date) {
            return Err(ItemError::OutOfRange(format!("action that is processed on {process_date}")));
        }
        if body.id.is_empty() {
            return Err(ItemError::Empty { field: "id" });
        }
        if body.id.len() > ID_BYTES_MAX {
            return Err(ItemError::Long { field: "id", bytes: body.id.len(), max: ID_BYTES_MAX });
        }
        if self.ids.contains(&body.id) {
            return Err(ItemError::Repeated(body.id));
        }
        let (kind, ratio, amount) = body.terms(terms)?;
        let (field, own) = body.own_symbol(terms);
        let own = own.ok_or(ItemError::Missing { field })?;
        let action = |id| Action { id, kind, ex_date, announced: None, ratio, amount };
        Ok(requested(own).map(|symbol| (symbol, action(body.id.clone()))))
    }
}

impl Content for Actions<'_> {
    type Body = PageBody;
    type Record = Action;

    fn add(&mut self, page: PageBody) -> Result<Option<String>, PageError> {
        for (name, Bounded(items)) in page.corporate_actions.map_or_else(BTreeMap::new, |lists| lists.0) {
            let Some(Type { list, terms }) = TYPES.into_iter().find(|it| it.list == name) else {
                self.unknown.note(&name, items.len());
                continue;
            };
            for (item, body) in (1..).zip(items) {
                let checked =
                    self.checked(terms, body.get()).map_err(|cause| PageError::Item { list, item, cause })?;
                let Some((symbol, action)) = checked else { continue };
                self.bytes += size_of::<Action>() + 2 * action.id.len();
                if self.bytes > RECORD_BYTES_MAX {
                    return Err(PageError::TooMuch(RECORD_BYTES_MAX));
                }
                self.ids.insert(action.id.clone());
                if let Some(actions) = self.actions.get_mut(&symbol) {
                    actions.push(action);
                }
            }
        }
        Ok(page.next_page_token)
    }

    /// Sorts the actions by ex-date, then by id.
    fn into_records(mut self) -> BySymbol<Action> {
        for actions in self.actions.values_mut() {
            actions.sort_by(|a, b| (a.ex_date, &a.id).cmp(&(b.ex_date, &b.id)));
        }
        self.actions
    }
}

impl ActionBody {
    fn names(&self) -> Vec<&str> {
        let Self { symbol, source_symbol, acquiree_symbol, acquirer_symbol, .. } = self;
        let others = [&self.old_symbol, &self.new_symbol, &self.alternate_symbol];
        let all = [symbol, source_symbol, acquiree_symbol, acquirer_symbol].into_iter().chain(others);
        all.filter_map(Option::as_deref).collect()
    }

    /// Returns the symbol whose shares the action changes, with the name of its field.
    fn own_symbol(&self, terms: Terms) -> (&'static str, Option<&str>) {
        let (field, symbol) = match terms {
            Terms::Distribution => ("source_symbol", &self.source_symbol),
            Terms::UnitSplit | Terms::NameChange => ("old_symbol", &self.old_symbol),
            Terms::Merger | Terms::CashMerger | Terms::StockAndCashMerger => {
                ("acquiree_symbol", &self.acquiree_symbol)
            }
            _ => ("symbol", &self.symbol),
        };
        (field, symbol.as_deref())
    }

    fn ex_date(&self, terms: Terms, process_date: Date) -> Result<Date, ItemError> {
        let (field, text) = match terms {
            Terms::Split | Terms::StockDividend | Terms::CashDividend | Terms::Distribution => {
                ("ex_date", &self.ex_date)
            }
            Terms::UnitSplit | Terms::Merger | Terms::CashMerger | Terms::StockAndCashMerger => {
                ("effective_date", &self.effective_date)
            }
            Terms::Redemption | Terms::NameChange | Terms::Removal => return Ok(process_date),
        };
        date(field, text.as_deref().ok_or(ItemError::Missing { field })?)
    }

    fn terms(&self, terms: Terms) -> Result<(ActionKind, Option<f64>, Option<f64>), ItemError> {
        let required = |field, value: Option<f64>| value.ok_or(ItemError::Missing { field });
        match terms {
            Terms::Split => {
                let new = positive("new_rate", required("new_rate", self.new_rate)?)?;
                let old = positive("old_rate", required("old_rate", self.old_rate)?)?;
                Ok((ActionKind::Split, Some(ratio("new_rate / old_rate", new / old)?), None))
            }
            // Shares for shares: the price falls as by a split.
            Terms::StockDividend => {
                let rate = positive("rate", required("rate", self.rate)?)?;
                Ok((ActionKind::Split, Some(ratio("1 + rate", 1.0 + rate)?), None))
            }
            Terms::CashDividend => {
                let rate = amount("rate", required("rate", self.rate)?)?;
                Ok((ActionKind::Dividend, None, Some(rate)))
            }
            Terms::CashMerger | Terms::Redemption => {
                let rate = self.rate.map(|rate| amount("rate", rate)).transpose()?;
                Ok((ActionKind::Other, None, rate))
            }
            Terms::StockAndCashMerger => {
                let rate = self.cash_rate.map(|rate| amount("cash_rate", rate)).transpose()?;
                Ok((ActionKind::Other, None, rate))
            }
            _ => Ok((ActionKind::Other, None, None)),
        }
    }
}

fn positive(field: &'static str, value: f64) -> Result<f64, ItemError> {
    checked(field, value, value > 0.0, "above 0")
}

fn ratio(field: &'static str, value: f64) -> Result<f64, ItemError> {
    checked(field, value, value > 0.0 && value <= RATIO_MAX, "above 0, to 10000")
}

fn amount(field: &'static str, value: f64) -> Result<f64, ItemError> {
    checked(field, value, value >= 0.0, "at least 0")
}

fn checked(
    field: &'static str,
    value: f64,
    is_valid: bool,
    expected: &'static str,
) -> Result<f64, ItemError> {
    if is_valid { Ok(value) } else { Err(ItemError::Number { field, value, expected }) }
}

fn date(field: &'static str, text: &str) -> Result<Date, ItemError> {
    text.parse().map_err(|cause| ItemError::Date { field, text: short(text, 40), cause })
}

#[cfg(test)]
mod tests;
