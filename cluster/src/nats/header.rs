//! The trace of a message as headers of NATS. Used by the [`writer`](super::writer) and the [`intake`](super::intake).

use async_nats::HeaderMap;

use crate::trace::{TRACEPARENT, TRACESTATE, TraceContext};

pub(super) fn write(trace: &TraceContext) -> HeaderMap {
    let mut headers = HeaderMap::new();
    trace.headers().for_each(|(name, value)| headers.insert(name, value));
    headers
}

/// Names count in any case: some libraries write them as HTTP does.
pub(super) fn read(headers: &HeaderMap) -> Option<TraceContext> {
    let named = |wanted: &'static str| {
        let of_name =
            headers.iter().filter(move |(name, _)| AsRef::<str>::as_ref(name).eq_ignore_ascii_case(wanted));
        of_name.flat_map(|(_, values)| values).map(|value| value.as_str())
    };
    TraceContext::of_headers(named(TRACEPARENT), named(TRACESTATE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn headers_go_there_and_back() {
        let context = TraceContext::read(PARENT, Some("a=1,b=2")).expect("a context");
        assert_eq!(read(&write(&context)), Some(context));
        assert_eq!(read(&HeaderMap::new()), None);
        let mut headers = HeaderMap::new();
        headers.insert("Traceparent", PARENT);
        headers.append("Tracestate", "a=1");
        headers.append("Tracestate", "b=2");
        let context = read(&headers).expect("a context");
        assert_eq!((&*context.traceparent(), context.state()), (PARENT, Some("a=1,b=2")));
        headers.append("traceparent", PARENT);
        assert_eq!(read(&headers), None, "two parents");
    }

    #[test]
    fn their_size_is_known() {
        let context = TraceContext::read(PARENT, Some("a=1")).expect("a context");
        let written = format!("NATS/1.0\r\ntraceparent: {PARENT}\r\ntracestate: a=1\r\n\r\n");
        assert_eq!(context.header_size(), written.len());
    }
}
