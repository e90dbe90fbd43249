//! Vectors: each has used the bars that readers saw when its request was appended.

use std::collections::BTreeMap;

use contracts::{ClosedBar, FeatureRequest, Topic, Vector};
use kafka_io::Wire;

use super::{Broken, broken, decoded};
use crate::log::Log;

/// A day bar has closed by then.
const DAY_MICROS: i64 = 86_400_000_000;

/// Bars of a symbol and timeframe, each with the number from which on readers saw it.
type Bars = BTreeMap<(String, String), Vec<(i64, u64)>>;

/// Returns the number of vectors.
pub(super) fn check(log: &Log, wire: &Wire) -> Result<u64, Broken> {
    let mut bars = Bars::new();
    let mut requests: BTreeMap<String, (FeatureRequest, u64)> = BTreeMap::new();
    let mut vectors: Vec<Vector> = Vec::new();
    for ((topic, _), _, entry) in log.visible() {
        match topic {
            Topic::BarClosed => {
                let bar: ClosedBar = decoded(wire, entry)?;
                let series = bars.entry((bar.symbol, bar.timeframe)).or_default();
                series.push((bar.open_time, entry.visible_from.unwrap_or(u64::MAX)));
            }
            Topic::BatchRequested | Topic::BatchUrgent => {
                if let Ok(request) = decoded::<FeatureRequest>(wire, entry) {
                    requests.insert(request.request_id.clone(), (request, entry.appended_as));
                }
            }
            Topic::VectorComputed => vectors.push(decoded(wire, entry)?),
            _ => {}
        }
    }
    for vector in &vectors {
        check_vector(vector, &requests, &bars)?;
    }
    Ok(u64::try_from(vectors.len()).unwrap_or(0))
}

fn check_vector(
    vector: &Vector,
    requests: &BTreeMap<String, (FeatureRequest, u64)>,
    bars: &Bars,
) -> Result<(), Broken> {
    let Some((request, appended_as)) = requests.get(&vector.request_id) else {
        return broken("doubled", format!("vector of the missing request {}", vector.request_id));
    };
    let of_symbol = request.symbols.iter().find(|requested| requested.symbol == vector.symbol);
    let Some(occurred_at) = of_symbol.map(|requested| requested.occurred_at) else {
        return broken("doubled", format!("vector of {}, which was not requested", vector.symbol));
    };
    let series = bars.get(&(vector.symbol.clone(), vector.timeframe.clone()));
    let visible = series.into_iter().flatten().filter(|(open_time, visible_from)| {
        visible_from < appended_as && open_time + DAY_MICROS <= occurred_at
    });
    let newest = visible.map(|(open_time, _)| *open_time).max();
    let used = (vector.bars_held > 0).then_some(vector.as_of);
    match newest {
        Some(newest) if used.is_none_or(|used| used < newest) => {
            let text = format!("vector of {} used bars up to {used:?}, visible was {newest}", vector.symbol);
            broken("causality", text)
        }
        _ => Ok(()),
    }
}
