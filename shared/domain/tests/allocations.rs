//! Allocations of the checks that run for each event.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use allocation_counter::measure;
use domain::Symbol;

#[test]
fn symbol_is_parsed_without_allocation() {
    let parse = |text: &str| {
        std::hint::black_box(Symbol::parse(text).unwrap());
    };
    for text in ["A", "AAPL", "BRK.B"] {
        assert_eq!(measure(|| parse(text)).count_total, 0, "{text}");
    }
}
