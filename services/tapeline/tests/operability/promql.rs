//! Parses the names of a PromQL expression: metrics with their matchers and the enclosing function, and the labels by which it groups
//! or joins. Unknown syntax is an error; `promtool` checks the rest.
//! Grammar: <https://prometheus.io/docs/prometheus/latest/querying/basics/>.

/// A metric in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    /// The name in the expression, suffix included.
    pub(crate) metric: String,
    pub(crate) matchers: Vec<Matcher>,
    /// The innermost enclosing function or aggregation.
    pub(crate) inside: String,
    /// `true` if a window `[…]` follows.
    pub(crate) has_window: bool,
}

/// `label op "value"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matcher {
    pub(crate) label: String,
    pub(crate) op: String,
    pub(crate) value: String,
}

/// The names of an expression.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) uses: Vec<Use>,
    /// Labels after `by`, `without`, `on`, `ignoring` and the like.
    pub(crate) grouped: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Text(String),
    /// A number or a duration.
    Number,
    /// A window with its content.
    Window(String),
    Sign(String),
}

/// Permitted functions and aggregations. Another name before `(` is misspelt or new.
const FUNCTIONS: &[&str] = &[
    "sum",
    "max",
    "min",
    "avg",
    "count",
    "group",
    "rate",
    "increase",
    "changes",
    "max_over_time",
    "time",
    "histogram_quantile",
    "abs",
    "label_values",
];
const GROUPING: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];
const OPERATORS: &[&str] = &["and", "or", "unless", "offset", "bool"];

/// Returns the names in `expression`.
///
/// # Errors
/// The part that is not understood.
pub(crate) fn names(expression: &str) -> Result<Names, String> {
    let tokens = tokens(expression)?;
    let mut names = Names::default();
    let (mut around, mut at) = (Vec::<String>::new(), 0);
    // The aggregation whose argument starts at the next parenthesis: `sum by (a) (…)`.
    let mut pending = String::new();
    while let Some(token) = tokens.get(at) {
        let next = tokens.get(at + 1);
        at += 1;
        match token {
            Token::Name(name) if GROUPING.contains(&name.as_str()) => {
                let (labels, after) = labels(&tokens, at)?;
                names.grouped.extend(labels);
                at = after;
            }
            Token::Name(name) if FUNCTIONS.contains(&name.as_str()) => pending.clone_from(name),
            Token::Name(name) if OPERATORS.contains(&name.as_str()) => {}
            Token::Name(name) if next.is_some_and(|next| next.is("(")) => {
                return Err(format!("unknown function {name}"));
            }
            Token::Name(metric) => {
                let mut matchers = Vec::new();
                if next.is_some_and(|next| next.is("{")) {
                    (matchers, at) = self::matchers(&tokens, at + 1)?;
                }
                let has_window = matches!(tokens.get(at), Some(Token::Window(_)));
                let inside = around.last().cloned().unwrap_or_default();
                names.uses.push(Use { metric: metric.clone(), matchers, inside, has_window });
            }
            Token::Sign(sign) if sign == "(" => {
                // A parenthesis without a function belongs to the enclosing one.
                let outer = around.last().cloned().unwrap_or_default();
                let inner = std::mem::take(&mut pending);
                around.push(if inner.is_empty() { outer } else { inner });
            }
            Token::Sign(sign) if sign == ")" => {
                around.pop().ok_or(") without (")?;
            }
            Token::Sign(sign) if sign == "{" => return Err("selector without a metric name".to_owned()),
            Token::Window(content) if !is_window(content) => {
                return Err(format!("invalid window [{content}]"));
            }
            _ => {}
        }
    }
    if around.is_empty() { Ok(names) } else { Err("( without )".to_owned()) }
}

impl Token {
    fn is(&self, sign: &str) -> bool {
        matches!(self, Self::Sign(it) if it == sign)
    }
}

/// Parses `(a, b)` at `at`. Returns the labels and the index after them.
fn labels(tokens: &[Token], mut at: usize) -> Result<(Vec<String>, usize), String> {
    let mut labels = Vec::new();
    if !tokens.get(at).is_some_and(|token| token.is("(")) {
        return Err("expected ( before labels".to_owned());
    }
    loop {
        at += 1;
        match tokens.get(at) {
            Some(Token::Name(label)) => labels.push(label.clone()),
            Some(token) if token.is(",") => {}
            Some(token) if token.is(")") => return Ok((labels, at + 1)),
            other => return Err(format!("unexpected {other:?} in labels")),
        }
    }
}

/// Parses `a="b",c=~"d"}` at `at`. Returns the matchers and the index after them.
fn matchers(tokens: &[Token], mut at: usize) -> Result<(Vec<Matcher>, usize), String> {
    let mut matchers = Vec::new();
    loop {
        match &tokens[at..] {
            [Token::Sign(end), ..] if end == "}" => return Ok((matchers, at + 1)),
            [Token::Sign(comma), ..] if comma == "," => at += 1,
            [Token::Name(label), Token::Sign(op), Token::Text(value), ..]
                if ["=", "!=", "=~", "!~"].contains(&op.as_str()) =>
            {
                matchers.push(Matcher { label: label.clone(), op: op.clone(), value: value.clone() });
                at += 3;
            }
            other => return Err(format!("unexpected {:?} in matchers", other.first())),
        }
    }
}

fn is_window(content: &str) -> bool {
    let is_duration = |text: &str| {
        text == "$__rate_interval"
            || text.strip_suffix(['s', 'm', 'h', 'd']).is_some_and(|number| number.parse::<u32>().is_ok())
    };
    content.split(':').all(is_duration)
}

fn tokens(expression: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let end = rest[1..].find('"').ok_or("unterminated string")?;
                tokens.push(Token::Text(rest[1..=end].to_owned()));
                end + 2
            }
            '[' => {
                let end = rest.find(']').ok_or("unterminated window")?;
                tokens.push(Token::Window(rest[1..end].to_owned()));
                end + 1
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let end = end_of(rest, |c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
                tokens.push(Token::Name(rest[..end].to_owned()));
                end
            }
            '0'..='9' => {
                tokens.push(Token::Number);
                end_of(rest, |c| c.is_ascii_alphanumeric() || c == '.')
            }
            _ => {
                let two =
                    ["=~", "!~", "!=", "==", ">=", "<="].into_iter().find(|sign| rest.starts_with(*sign));
                let one = "(){},=<>+-*/".contains(first).then(|| first.to_string());
                let sign = two
                    .map(str::to_owned)
                    .or(one)
                    .ok_or_else(|| format!("unexpected character {first:?}"))?;
                tokens.push(Token::Sign(sign.clone()));
                sign.len()
            }
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

fn end_of(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

#[test]
fn expression_has_metrics_matchers_functions_and_labels() {
    let text = "sum by (a, b) (rate(x_total{c=~\"d|e\",f!=\"g\"}[5m])) / (max_over_time(y[1h:1m] offset 10m) > 0.5)\n\
                unless on(h) z";
    let found = names(text).unwrap();
    assert_eq!(found.grouped, ["a", "b", "h"]);
    let uses: Vec<_> =
        found.uses.iter().map(|it| (it.metric.as_str(), it.inside.as_str(), it.has_window)).collect();
    assert_eq!(uses, [("x_total", "rate", true), ("y", "max_over_time", true), ("z", "", false)]);
    let of_x: Vec<_> =
        found.uses[0].matchers.iter().map(|it| format!("{}{}{}", it.label, it.op, it.value)).collect();
    assert_eq!(of_x, ["c=~d|e", "f!=g"]);
    assert_eq!(names("sum((a + b))").unwrap().uses[1].inside, "sum");
}

#[test]
fn invalid_expression_is_an_error() {
    for (text, expected) in [
        ("rat(x[5m])", "unknown function rat"),
        ("rate(x[5 minutes])", "invalid window [5 minutes]"),
        ("sum(x", "( without )"),
        ("x)", ") without ("),
        ("{a=\"b\"}", "selector without a metric name"),
        ("x{a=b}", "in matchers"),
        ("x{a=\"b}", "unterminated string"),
        ("x % 2", "unexpected character '%'"),
        ("sum by a (x)", "expected ( before labels"),
        ("x{a==\"b\"}", "in matchers"),
        ("rate(x[5m)", "unterminated window"),
    ] {
        let error = names(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
