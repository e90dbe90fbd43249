//! One run of a market: what is set going, waited for and judged, in this process or on a cluster.

mod judge;
mod market;
mod post;
mod settle;
mod show;

pub use judge::{Ending, Judge};
pub use market::{Market, Plan};
pub use post::Poster;
pub use settle::Settler;
pub use show::Show;
