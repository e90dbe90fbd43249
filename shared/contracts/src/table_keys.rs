//! Keys of the compacted topics. A tombstone has no event: its key alone names what it deletes.

use domain::{DataType, Symbol, Timeframe, Timestamp};

/// Key of a bar: `symbol|timeframe|open time in microseconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarKey {
    pub symbol: Symbol,
    pub timeframe: Timeframe,
    pub open_time: Timestamp,
}

/// Key of the coverage of a series: `symbol|data type|timeframe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoverageKey {
    pub symbol: Symbol,
    pub data_type: DataType,
    /// `None` for data without timeframes, which have an empty text in the key.
    pub timeframe: Option<Timeframe>,
}

impl BarKey {
    /// Returns the key in this text. `None` if no bar has it.
    #[must_use]
    pub fn parse(key: &[u8]) -> Option<Self> {
        let [symbol, timeframe, micros] = parts(key)?;
        let open_time = micros.parse::<i64>().ok().filter(|open_time| open_time.to_string() == micros)?;
        Some(Self {
            symbol: Symbol::parse(symbol).ok()?,
            timeframe: Timeframe::from_name(timeframe)?,
            open_time: Timestamp::from_micros(open_time),
        })
    }
}

impl CoverageKey {
    /// Returns the key in this text. `None` if no coverage has it.
    #[must_use]
    pub fn parse(key: &[u8]) -> Option<Self> {
        let [symbol, data_type, name] = parts(key)?;
        let (data_type, timeframe) = (DataType::from_name(data_type)?, Timeframe::from_name(name));
        let may_be_empty = data_type != DataType::MarketData;
        (timeframe.is_some() || (name.is_empty() && may_be_empty)).then_some(())?;
        Some(Self { symbol: Symbol::parse(symbol).ok()?, data_type, timeframe })
    }
}

fn parts(key: &[u8]) -> Option<[&str; 3]> {
    let mut parts = std::str::from_utf8(key).ok()?.split('|');
    let found = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use domain::{DataType, Symbol, Timeframe, Timestamp};

    use super::{BarKey, CoverageKey};
    use crate::event::Event;
    use crate::{ClosedBar, CoverageChange};

    fn example<E: Event>(json: &str) -> E {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn key_of_an_event_is_parsed() {
        let bar: ClosedBar =
            example(include_str!("../../../schemas/market.bar.closed/examples/minute_that_never_moved.json"));
        let key = BarKey::parse(bar.key().as_bytes()).unwrap();
        assert_eq!((key.symbol.as_str(), key.timeframe), ("BRK.B", Timeframe::Minute1));
        assert_eq!(key.open_time, Timestamp::from_micros(bar.open_time));

        for (key, data_type, timeframe) in [
            ("AAPL|market_data|1day", DataType::MarketData, Some(Timeframe::Day1)),
            ("AAPL|news|", DataType::News, None),
        ] {
            let symbol = Symbol::parse("AAPL").unwrap();
            let change = CoverageChange {
                event_id: crate::ids::event_id(),
                occurred_at: 0,
                source: "test".into(),
                correlation_id: None,
                symbol: symbol.to_string(),
                data_type: data_type.into(),
                timeframe: timeframe.map_or("", Timeframe::as_str).into(),
                intervals: Vec::new(),
                wanted: None,
                asked: Vec::new(),
                refetching: None,
            };
            assert_eq!(change.key(), key);
            assert_eq!(
                CoverageKey::parse(change.key().as_bytes()),
                Some(CoverageKey { symbol, data_type, timeframe })
            );
        }
    }

    #[test]
    fn key_of_no_event_is_rejected() {
        for key in [
            "",
            "AAPL",
            "AAPL|1day",
            "AAPL|1day|x",
            "aapl|1day|5",
            "AAPL|2day|5",
            "AAPL|1day|5|",
            "AAPL|1day|+5",
        ] {
            assert_eq!(BarKey::parse(key.as_bytes()), None, "{key}");
        }
        for key in
            ["", "AAPL|news", "AAPL|bars|1day", "AAPL|market_data|", "AAPL|news|x", "AAPL|news||", "\n|news|"]
        {
            assert_eq!(CoverageKey::parse(key.as_bytes()), None, "{key}");
        }
        assert_eq!(BarKey::parse(b"\xff|1day|5"), None);
    }
}
