//! Which alerts owe a request: the dedup window, replayed over the alert topic in log order.

use std::collections::HashMap;

use domain::{FeatureSet, Symbol};

use super::{AlertSeen, Count, RequestsByAlert, Seen};

/// What was asked for a symbol since its window opened.
struct Window {
    opened_at_micros: i64,
    asked: HashMap<FeatureSet, u8>,
}

impl Window {
    fn opened_by(alert: &AlertSeen) -> Self {
        let mut window = Self { opened_at_micros: alert.occurred_at_micros, asked: HashMap::new() };
        window.ask(alert);
        window
    }

    fn ask(&mut self, alert: &AlertSeen) {
        for set in alert.sets.iter() {
            let asked = self.asked.entry(set).or_default();
            *asked = (*asked).max(alert.priority);
        }
    }

    /// Whether every set of the alert was asked for at its priority or a higher one.
    fn covers(&self, alert: &AlertSeen) -> bool {
        alert.sets.iter().all(|set| self.asked.get(&set).is_some_and(|asked| *asked >= alert.priority))
    }
}

pub(super) fn count_lost_alerts(
    seen: &Seen,
    by_alert: &RequestsByAlert<'_>,
    window_micros: i64,
    count: &mut Count,
) {
    let mut windows: HashMap<Symbol, Window> = HashMap::new();
    for alert in &seen.alerts {
        let is_asked = by_alert.contains_key(&(alert.correlation_id.as_str(), alert.symbol));
        let is_covered = !alert.is_manual && judge(&mut windows, alert, is_asked, window_micros);
        if !is_asked && !is_covered {
            count.lost += 1;
            count.example(count.lost, || {
                format!(
                    "lost: alert {} of {} at partition {} offset {} is in no request",
                    alert.correlation_id, alert.symbol, alert.partition, alert.offset
                )
            });
        }
    }
}

/// Moves the symbol's window and says whether it covers the alert.
///
/// An alert that the window covers and that was asked for all the same tells that the window had been forgotten by the
/// clock: it opens a new one.
fn judge(
    windows: &mut HashMap<Symbol, Window>,
    alert: &AlertSeen,
    is_asked: bool,
    window_micros: i64,
) -> bool {
    let Some(window) = windows.get_mut(&alert.symbol) else {
        windows.insert(alert.symbol, Window::opened_by(alert));
        return false;
    };
    let distance = alert.occurred_at_micros - window.opened_at_micros;
    if distance > window_micros {
        *window = Window::opened_by(alert);
        return false;
    }
    if distance < -window_micros {
        return false;
    }
    if window.covers(alert) {
        if is_asked {
            *window = Window::opened_by(alert);
        }
        return true;
    }
    window.ask(alert);
    false
}
