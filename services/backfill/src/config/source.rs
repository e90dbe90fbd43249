//! Configuration section `source`.

use std::path::{Component, PathBuf};

use chassis::config::{ErrorCollector, Validate};
use jiff::tz::TimeZone;
use kit::{Millis, Secret};
use serde::{Deserialize, Serialize};
use url::Url;

use super::synthetic::SyntheticSection;
use crate::features::FEATURES;
use crate::rules::file_columns::is_column;
use crate::rules::path_pattern::PathPattern;

/// The kind of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// No source: each request ends in a failure of class `no_source`.
    #[default]
    None,
    /// A folder of day bars with one file per symbol.
    Csv,
    /// A folder of bars, news and corporate actions as CSV or Parquet, at paths of a pattern.
    Files,
    /// Generated records, the same for the same seed.
    Synthetic,
    /// Bars of all timeframes, news and corporate actions from Alpaca Market Data v2.
    Alpaca,
}

/// A feed of Alpaca.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlpacaFeed {
    /// Trades of the exchange IEX only; part of every plan.
    #[default]
    Iex,
    /// Trades of all exchanges of the United States; the last 15 minutes need a paid plan.
    Sip,
    /// Trades over the counter; needs a plan with it.
    Otc,
    /// Trades of the night session at Blue Ocean.
    Boats,
}

/// The source of historical bars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceSection {
    /// The kind of the source: `none`, `csv` (a folder of day bars), `files` (bars of all timeframes, news and corporate
    /// actions as CSV, plain or compressed with gzip, or Parquet), `synthetic` (a generated market) or `alpaca` (Alpaca Market Data v2).
    /// By default `none`, so that no bars are written before an operator selects a source; each request then ends in a failure of class
    /// `no_source`.
    pub kind: SourceKind,
    /// For `csv`: the folder with the files `<SYMBOL>.csv`; for `files`: the folder of `path_pattern`, in a bucket the prefix of its keys.
    /// Required for these kinds except in a bucket, without effect for others. By default empty. While the service runs, replace a file by
    /// rename, or append whole lines: a file that does not end with a line end, or has no valid row, is read 10 s after its last change. A
    /// file has at most 8 MiB, of `files` 16 MiB, also after decompression.
    pub folder: PathBuf,
    /// For `files`: the bucket of S3 that has the files. By default empty: they are in the local folder. Needs `key_id` and `secret`.
    pub bucket: String,
    /// For a bucket: the address of the server, without a path, such as `https://minio.example:9000`. By default empty: Amazon S3 in
    /// `region`.
    pub endpoint: String,
    /// For a bucket: the region, a part of each signature. By default `us-east-1`, which servers without regions expect.
    pub region: String,
    /// For a bucket: whether its name is a part of the path. By default true, which all servers accept; false puts it before the name of
    /// the host.
    pub path_style: bool,
    /// For `files`: the path of a file below the folder. `{symbol}`, `{timeframe}`, `{data_type}` (`market_data`, `news`,
    /// `corporate_actions`) and `{date}` (`2024-06-28`, in New York) are replaced. Ends in `.csv`, `.csv.gz` or `.parquet`. Without
    /// `{data_type}` all files are bars, without `{timeframe}` bars are day bars, without `{symbol}` rows have a column `symbol`. By
    /// default a folder for each data type and timeframe.
    pub path_pattern: String,
    /// For `files`: the time zone of times without an offset, such as `America/New_York`. By default empty: such a time is an error of its
    /// row.
    pub time_zone: String,
    /// For `files`: names of columns in headers, or in the schema of Parquet, that differ from those of Tapeline, each as `name=header`,
    /// such as `time=timestamp`. By default none. Upper and lower case are the same.
    pub columns: Vec<String>,
    /// For `synthetic`: the seed of the market. The same seed generates the same bars. Without effect for other kinds. By default 0;
    /// any number will do.
    pub seed: u64,
    pub synthetic: SyntheticSection,
    /// `true` if the bars of the source are adjusted for splits already. By default false: they are as they were traded, and `feature`
    /// adjusts them. If true, corporate actions of the source are not requested, with a warning: its bars would be adjusted twice.
    pub adjusted: bool,
    /// The time in milliseconds after the close of a bar of one, five or sixty minutes until it counts as final. Until then it is neither
    /// written nor covered, whatever the source has: late trades may change it. By default 15 min. A day bar is final at 04:00 in New York
    /// of the next day.
    pub settle_ms: Millis,
    /// For `alpaca`: the address of the API, without a path. By default the address of the vendor.
    pub url: String,
    /// For `alpaca` and for a bucket: the id of the key. Required for them.
    pub key_id: Secret,
    /// For `alpaca` and for a bucket: the secret of the key. Required for them.
    pub secret: Secret,
    /// For `alpaca`: the feed, `iex`, `sip`, `otc` or `boats`. By default `iex`, which every plan has.
    pub feed: AlpacaFeed,
    /// For `alpaca`: the date, as `2024-06-28`, whose assignment of symbols to companies is used, or `-` for bars of the symbol as it was
    /// traded. By default empty: the vendor's default, the current day.
    pub asof: String,
    /// For `alpaca`: the maximum number of bars in a response, 1 to 10,000. By default 10,000, the maximum of the vendor.
    pub page_limit: u16,
    /// For `alpaca`: the maximum number of requests a minute of this process, 1 to 10,000. They are spread evenly. By default 200, the
    /// quota of the free plan; instances with the same key share its quota, so divide it among them.
    pub requests_per_minute: u32,
    /// For `alpaca` and for a bucket: the timeout in milliseconds of a connection, at least 1. By default 5 s: longer than several lost
    /// packets.
    pub connect_timeout_ms: Millis,
    /// For `alpaca` and for a bucket: the timeout in milliseconds of a response with its whole body, at least 1. By default 20 s: a page
    /// has 1 to 2 MB, an object at most 16 MiB.
    pub timeout_ms: Millis,
    /// For `alpaca`: the maximum number of symbols in a request, 1 to 200; of news at most 8. By default 32: day bars of a year fit in a
    /// page. Concurrent calls for the same timeframe and days are joined; there are at most as many as `executor.running_max` and
    /// `executor.workers_max`.
    pub symbols_a_call: u16,
    /// For `alpaca`: the time in milliseconds that a call waits for others to join it, at most 10,000. By default 50 ms: chunks that are
    /// started together arrive within it. Without effect if `symbols_a_call` is 1.
    pub join_ms: Millis,
}

impl Default for SourceSection {
    fn default() -> Self {
        Self {
            kind: SourceKind::None,
            folder: PathBuf::new(),
            bucket: String::new(),
            endpoint: String::new(),
            region: "us-east-1".to_owned(),
            path_style: true,
            path_pattern: "{data_type}/{timeframe}/{symbol}.csv".to_owned(),
            time_zone: String::new(),
            columns: Vec::new(),
            seed: 0,
            synthetic: SyntheticSection::default(),
            adjusted: false,
            settle_ms: Millis::new(900_000),
            url: "https://data.alpaca.markets".to_owned(),
            key_id: Secret::default(),
            secret: Secret::default(),
            feed: AlpacaFeed::Iex,
            asof: String::new(),
            page_limit: 10_000,
            requests_per_minute: 200,
            connect_timeout_ms: Millis::new(5_000),
            timeout_ms: Millis::new(20_000),
            symbols_a_call: 32,
            join_ms: Millis::new(50),
        }
    }
}

impl SourceSection {
    /// Returns the time zone of times without an offset. `None` if it is not set, or unknown.
    #[must_use]
    pub fn zone(&self) -> Option<TimeZone> {
        TimeZone::get(&self.time_zone).ok().filter(|_| !self.time_zone.is_empty())
    }

    /// Returns the names of columns and of the headers that mean them.
    #[must_use]
    pub fn aliases(&self) -> Vec<(String, String)> {
        let pairs = self.columns.iter().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, header)| (name.trim().to_owned(), header.trim().to_owned())).collect()
    }

    /// Returns the address of the API of `alpaca`, without a path. `None` if `url` is invalid.
    #[must_use]
    pub fn api_url(&self) -> Option<Url> {
        server(&self.url)
    }

    /// Returns `true` if the files are in a bucket.
    #[must_use]
    pub fn has_bucket(&self) -> bool {
        self.kind == SourceKind::Files && !self.bucket.is_empty()
    }

    /// Returns the address of the server of the bucket, with the bucket in its host unless it is a part of the path. `None` if `endpoint`
    /// is invalid.
    #[must_use]
    pub fn endpoint_url(&self) -> Option<Url> {
        let mut url = match self.endpoint.as_str() {
            "" => server(&format!("https://s3.{}.amazonaws.com", self.region))?,
            endpoint => server(endpoint)?,
        };
        if !self.path_style {
            let host = format!("{}.{}", self.bucket, url.host_str()?);
            url.set_host(Some(&host)).ok()?;
        }
        Some(url)
    }
}

/// Returns the address of a server: without a path, a user or a query.
fn server(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let is_root = url.path() == "/" && url.fragment().is_none() && url.port() != Some(0);
    let is_http = matches!(url.scheme(), "http" | "https");
    (is_plain && is_root && is_http).then_some(url)
}

impl SourceSection {
    fn validate_bucket(&self, errors: &mut ErrorCollector) {
        let (bucket, endpoint) = (&self.bucket, &self.endpoint);
        let is_name = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte))
        };
        let rule = "the name of a bucket: lower case letters, digits, . and -";
        errors.check(is_name(bucket), "bucket", bucket, rule, "history");
        let is_region = !self.region.is_empty() && is_name(&self.region);
        errors.check(is_region, "region", &self.region, "the name of a region", "us-east-1");
        let url = self.endpoint_url();
        let rule = "empty, or an http or https address without a path";
        errors.check(url.is_some(), "endpoint", endpoint, rule, "https://minio.example:9000");
        let is_below = self.folder.components().all(|part| matches!(part, Component::Normal(_)));
        let rule = "a prefix of keys, without . and ..";
        errors.check(!self.has_bucket() || is_below, "folder", self.folder.display(), rule, "bars/2024");
    }

    fn validate_path_pattern(&self, errors: &mut ErrorCollector) {
        let (rule, example) = match PathPattern::parse(&self.path_pattern) {
            Err(error) => (format!("a path pattern ({error})"), "{timeframe}/{symbol}.csv.gz"),
            Ok(_) => return,
        };
        errors.check(false, "path_pattern", &self.path_pattern, &rule, example);
    }

    /// Rejects settings that need a part other than these.
    pub(super) fn validate_features(&self, features: &[&str], errors: &mut ErrorCollector) {
        let is_built = !self.has_bucket() || features.contains(&"s3");
        let rule = "empty, because this build lacks the feature `s3`";
        errors.check(is_built, "bucket", &self.bucket, rule, "");
        let is_parquet = PathPattern::parse(&self.path_pattern).is_ok_and(|pattern| pattern.is_parquet());
        let rule = "a path of CSV files, because this build lacks the feature `parquet`";
        let is_built = !is_parquet || features.contains(&"parquet");
        errors.check(is_built, "path_pattern", &self.path_pattern, rule, "{timeframe}/{symbol}.csv.gz");
    }
}

impl AlpacaFeed {
    /// Returns the name in a request.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Iex => "iex",
            Self::Sip => "sip",
            Self::Otc => "otc",
            Self::Boats => "boats",
        }
    }
}

impl Validate for SourceSection {
    fn validate(&self, errors: &mut ErrorCollector) {
        let has_folder = matches!(self.kind, SourceKind::Csv | SourceKind::Files) && !self.has_bucket();
        let is_missing = has_folder && self.folder.as_os_str().is_empty();
        let rule = "given when kind is csv or files, without a bucket";
        errors.check(!is_missing, "folder", "", rule, "/var/lib/bars");
        self.validate_bucket(errors);
        self.validate_path_pattern(errors);
        self.validate_features(FEATURES, errors);
        let is_zone = self.time_zone.is_empty() || self.zone().is_some();
        errors.check(
            is_zone,
            "time_zone",
            &self.time_zone,
            "a name of the IANA database",
            "America/New_York",
        );
        for pair in &self.columns {
            let is_pair = pair
                .split_once('=')
                .is_some_and(|(name, header)| is_column(name.trim()) && !header.trim().is_empty());
            let rule = "name=header with the name of a column of files";
            errors.check(is_pair, "columns", pair, rule, "time=timestamp");
        }
        errors.nest("synthetic", &self.synthetic);
        let is_alpaca = self.kind == SourceKind::Alpaca;
        for (key, secret) in [("key_id", &self.key_id), ("secret", &self.secret)] {
            let is_sendable = secret.expose().map_or(!is_alpaca && !self.has_bucket(), |text| {
                !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
            });
            let rule = "given when kind is alpaca or files are in a bucket, of visible ASCII characters";
            errors.check(is_sendable, key, secret, rule, "{ file = \"/run/secrets/alpaca\" }");
        }
        let rule = "an http or https address without a path";
        errors.check(self.api_url().is_some(), "url", &self.url, rule, "https://data.alpaca.markets");
        let is_encrypted = is_alpaca && self.api_url().is_some_and(|url| url.scheme() == "https");
        let rule = "an http address, because this build lacks the feature `security`";
        let example = "http://localhost:8080";
        errors.check(!is_encrypted || kafka_io::has_security(), "url", &self.url, rule, example);
        let is_date =
            matches!(self.asof.as_str(), "" | "-") || self.asof.parse::<jiff::civil::Date>().is_ok();
        errors.check(is_date, "asof", &self.asof, "a date, - or empty", "2024-06-28");
        let limit = self.page_limit;
        errors.check((1..=10_000).contains(&limit), "page_limit", limit, "1 to 10000", "10000");
        let requests = self.requests_per_minute;
        errors.check((1..=10_000).contains(&requests), "requests_per_minute", requests, "1 to 10000", "200");
        let symbols = self.symbols_a_call;
        errors.check((1..=200).contains(&symbols), "symbols_a_call", symbols, "1 to 200", "32");
        let join = self.join_ms;
        errors.check(join.as_duration().as_secs() <= 10, "join_ms", join, "at most 10000", "50");
        let timeouts = [("connect_timeout_ms", self.connect_timeout_ms), ("timeout_ms", self.timeout_ms)];
        for (key, timeout) in timeouts {
            errors.check(!timeout.is_zero(), key, timeout, "at least 1", "5000");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_has_no_path_user_or_query() {
        let of = |url: &str| SourceSection { url: url.to_owned(), ..SourceSection::default() }.api_url();
        assert_eq!(of("http://127.0.0.1:1").unwrap().as_str(), "http://127.0.0.1:1/");
        assert!(SourceSection::default().api_url().is_some());
        let invalid = ["", "host", "ftp://a", "http://a/v2", "http://a?b", "http://a:b@c", "http://a:0"];
        assert!(invalid.iter().all(|url| of(url).is_none()));
    }
}
