//! One run of a market: what is set going, waited for and judged, in this process or on a cluster.

#[path = "market/run_audit.rs"]
mod judge;
#[path = "market/runner.rs"]
mod market;
#[path = "market/finding_poster.rs"]
mod post;
#[path = "market/alert_waiter.rs"]
mod settle;
#[path = "market/progress_bar.rs"]
mod show;

pub use judge::{Ending, Judge};
pub use market::{Market, Plan};
pub use post::Poster;
pub use settle::Settler;
pub use show::Show;
