//! Logs of a function: one JSON object per line on standard output, as CloudWatch wants it.
//!
//! Every line inside an invocation carries what the spans around it know, side by side with its
//! own fields: request and trace id, agent, run, action, attempt. So one search finds all lines of
//! a run, whichever function wrote them.

use std::{fmt, io};

use jiff::Timestamp;
use lambda_runtime::Context;
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Span, Subscriber,
    field::{Empty, Field, Visit},
};
use tracing_subscriber::{
    Registry,
    filter::{LevelFilter, Targets},
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter,
        format::{JsonFields, Writer},
    },
    layer::SubscriberExt as _,
    registry::LookupSpan,
};

/// Longest text of a field that comes from an event.
const MAX_TEXT: usize = 200;

/// Installs the subscriber once; the level comes from `RUST_LOG`, `info` without it.
pub fn init() {
    // Not `EnvFilter`: it brings an engine of regular expressions, for the fields of spans.
    let filter = std::env::var("RUST_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    // A second call, in a test for example, keeps the first subscriber.
    if tracing::subscriber::set_global_default(subscriber(filter, io::stdout)).is_err() {
        tracing::debug!("a subscriber is installed already");
    }
}

/// The subscriber over another writer.
pub(crate) fn subscriber<W>(filter: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .fmt_fields(JsonFields::new())
        .event_format(JsonLines)
        .with_writer(writer)
        .finish()
        .with(filter)
}

/// The span of one invocation of a function. [`record`] fills in what is not known at its start. It
/// counts as the first attempt unless it is told otherwise: requests and events have no number.
///
/// It is of the level `error`, so that no `RUST_LOG` takes the ids from the lines that are left.
#[must_use]
pub fn invocation_span(agent: &str, context: &Context) -> Span {
    tracing::error_span!(
        "invocation",
        request_id = context.request_id,
        trace_id = context.xray_trace_id.as_deref().map(trace_id),
        agent,
        run_id = Empty,
        action = Empty,
        attempt = 1,
    )
}

/// What an invocation is about, once it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanFields<'a> {
    /// The run.
    pub run_id: Option<&'a str>,
    /// What is asked for.
    pub action: Option<&'a str>,
    /// Number of the attempt, from 1.
    pub attempt: Option<u64>,
}

/// Writes the fields on every line of `span` from here on. The texts come from outside: they are
/// bounded.
pub fn record(span: &Span, fields: &SpanFields<'_>) {
    let bounded = |text: &str| crate::text::truncated(text, MAX_TEXT);
    if let Some(run_id) = fields.run_id {
        span.record("run_id", bounded(run_id));
    }
    if let Some(action) = fields.action {
        span.record("action", bounded(action));
    }
    if let Some(attempt) = fields.attempt {
        span.record("attempt", attempt);
    }
}

/// The id in a trace header such as `Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1`: what
/// X-Ray finds a trace by.
#[must_use]
pub fn trace_id(header: &str) -> &str {
    header.split(';').find_map(|part| part.trim().strip_prefix("Root=")).unwrap_or(header)
}

/// One event as one JSON object: when, how grave, what the spans know from the outermost inwards,
/// and what the event says. The inner one wins where two have the same name.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        let metadata = event.metadata();
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        line.insert("timestamp".to_owned(), now.into());
        line.insert("level".to_owned(), level(*metadata.level()).into());
        line.insert("message".to_owned(), Value::Null);
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            fields(&mut line, span.extensions().get::<FormattedFields<N>>());
        }
        event.record(&mut Fields(&mut line));
        line.insert("target".to_owned(), metadata.target().into());
        if line.get("message").is_some_and(Value::is_null) {
            line.remove("message");
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// What the spans around the caller know: what every line here carries.
pub(crate) fn current_fields() -> Map<String, Value> {
    let mut known = Map::new();
    tracing::dispatcher::get_default(|dispatch| {
        let Some(registry) = dispatch.downcast_ref::<Registry>() else { return };
        let span = registry.current_span();
        let Some(span) = span.id().and_then(|id| registry.span(id)) else { return };
        for span in span.scope().from_root() {
            fields(&mut known, span.extensions().get::<FormattedFields<JsonFields>>());
        }
    });
    known
}

/// Adds the fields of one span to a line.
fn fields<N>(line: &mut Map<String, Value>, formatted: Option<&FormattedFields<N>>) {
    let Some(formatted) = formatted else { return };
    if let Ok(Value::Object(fields)) = serde_json::from_str(formatted) {
        for (name, value) in fields {
            insert_field(line, &name, value);
        }
    }
}

/// The Lambda runtime's own span has the same ids under other names.
fn insert_field(line: &mut Map<String, Value>, name: &str, value: Value) {
    let (name, value) = match (name, value) {
        ("requestId", value) => ("request_id", value),
        ("xrayTraceId", Value::String(header)) => ("trace_id", trace_id(&header).into()),
        (name, value) => (name, value),
    };
    line.insert(name.to_owned(), value);
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// Fields of an event.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::{SpanFields, current_fields, invocation_span, record, subscriber, trace_id};

    #[test]
    fn a_metric_knows_what_the_lines_around_it_say() {
        assert!(current_fields().is_empty());
        let log = subscriber("error".parse().unwrap(), std::io::sink);
        tracing::subscriber::with_default(log, || {
            let mut context = lambda_runtime::Context::default();
            context.request_id = "request-1".to_owned();
            context.xray_trace_id = Some("Root=1-a-b;Sampled=1".to_owned());
            let span = invocation_span("test-agent", &context);
            record(&span, &SpanFields { run_id: Some("shop-1"), action: None, attempt: Some(2) });
            let known = span.in_scope(current_fields);
            for (name, value) in
                [("request_id", "request-1"), ("trace_id", "1-a-b"), ("run_id", "shop-1")]
            {
                assert_eq!(known[name], value, "{known:?}");
            }
            assert_eq!(known["attempt"], 2);
        });
    }

    #[test]
    fn a_header_without_a_root_is_shown_as_it_is() {
        assert_eq!(trace_id("Root=1-a-b;Parent=c;Sampled=1"), "1-a-b");
        assert_eq!(trace_id("Sampled=0; Root=1-a-b"), "1-a-b");
        assert_eq!(trace_id("something"), "something");
    }
}
