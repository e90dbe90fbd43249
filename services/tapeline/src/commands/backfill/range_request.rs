//! Range requests of an operator.

use chassis::config;
use contracts::{BackfillTrigger, DataKind, Event, RangeRequest, Violation, ids};
use domain::{DataType, Layer, Priority, Symbol, Timestamp};
use uuid::Uuid;

use super::args::RequestArgs;

/// The default name of an operator.
const OPERATOR: &str = "operator";

/// The fields that the requests of a command have in common.
#[derive(Debug, Clone)]
pub(super) struct RequestTemplate {
    data_types: Vec<DataType>,
    start: Timestamp,
    end: Timestamp,
    layer: Layer,
    refetch: bool,
    operator: String,
    now: Timestamp,
}

impl RequestTemplate {
    pub(super) fn new(args: &RequestArgs, now: Timestamp) -> Self {
        let mut data_types = args.types.clone();
        data_types.sort_unstable();
        data_types.dedup();
        Self {
            data_types,
            start: args.from.first(),
            end: args.to.last(),
            layer: args.layer,
            refetch: args.refetch,
            operator: operator(args.operator.as_deref()),
            now,
        }
    }

    /// Returns the request for a symbol.
    pub(super) fn of(&self, symbol: Symbol) -> RangeRequest {
        let trigger = BackfillTrigger::Manual;
        let range = (self.start, self.end);
        RangeRequest {
            event_id: ids::event_id(),
            occurred_at: self.now.micros(),
            source: self.operator.clone(),
            correlation_id: None,
            backfill_id: ids::backfill_id(symbol, self.layer, &self.data_types, range, trigger, self.refetch),
            attempt: 1,
            symbol: symbol.to_string(),
            layer: self.layer.number(),
            data_types: self.data_types.iter().copied().map(DataKind::from).collect(),
            start: self.start.micros(),
            end: self.end.micros(),
            priority: i32::from(Priority::HIGH.get()),
            trigger,
            refetch: self.refetch,
            cancel: false,
        }
    }

    /// Checks the request for a symbol by the rules of the contract.
    pub(super) fn check(&self, symbol: Symbol) -> Result<(), Violation> {
        let request = self.of(symbol);
        request.validate()?;
        request.check_clock(self.now)
    }
}

/// Returns the name of the operator: the given one, else the variable `USER`.
#[must_use]
pub fn operator(named: Option<&str>) -> String {
    let user = || config::system_env().find(|(name, _)| name == "USER").map(|(_, user)| user);
    let name = named.map(str::to_owned).or_else(user);
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| OPERATOR.to_owned())
}

/// Returns the id of a backfill. No request of this command has an invalid one.
pub(super) fn id_of(request: &RangeRequest) -> Uuid {
    Uuid::try_parse(&request.backfill_id).unwrap_or_default()
}
