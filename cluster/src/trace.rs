//! Which trace a message belongs to: W3C Trace Context, as the headers `traceparent` and `tracestate` say it.
//!
//! Carried beside messages by the [`bus`](crate::bus). What comes from outside is read strictly: anything odd is no context.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::node::random_bytes;

/// The name of the header that says which trace it is.
pub const TRACEPARENT: &str = "traceparent";
/// The name of the header with what tracing systems add to that.
pub const TRACESTATE: &str = "tracestate";

/// A state that is longer is left out.
const MAX_STATE: usize = 512;
/// More members than that are no state.
const MAX_MEMBERS: usize = 32;
/// Of version 00.
const LENGTH: usize = 55;
/// Later versions may say more, but not any amount.
const MAX_LENGTH: usize = 256;
const SAMPLED: u8 = 1;
/// The trace id is random: level 2 of the specification.
const RANDOM: u8 = 2;

/// A trace, and the span in it that something is done for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
    state: Option<Arc<str>>,
}

/// A text that is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no traceparent")]
pub struct NoTraceParent;

impl TraceContext {
    /// None if one of the ids is all zeros.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], is_sampled: bool) -> Option<Self> {
        let is_valid = trace_id != [0; 16] && span_id != [0; 8];
        is_valid.then_some(Self {
            trace_id,
            span_id,
            flags: if is_sampled { SAMPLED } else { 0 },
            state: None,
        })
    }

    /// A new trace, of which nothing is recorded: whoever is told of it need not record anything, either.
    pub fn unsampled() -> Self {
        let (mut trace_id, mut span_id) = (random_bytes::<16>(), random_bytes::<8>());
        // Not all zeros, whatever comes.
        trace_id[0] |= 1;
        span_id[0] |= 1;
        Self { trace_id, span_id, flags: RANDOM, state: None }
    }

    /// What the two headers say; none if the first is no `traceparent`. A `tracestate` that is none is left out.
    pub fn read(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let context: Self = traceparent.parse().ok()?;
        Some(context.with_state(tracestate.unwrap_or_default()))
    }

    /// What headers with these values say: none if there is no `traceparent`, or more than one. Several `tracestate` are one list.
    pub fn of_headers<'a>(
        parents: impl IntoIterator<Item = &'a str>,
        states: impl IntoIterator<Item = &'a str>,
    ) -> Option<Self> {
        let mut parents = parents.into_iter();
        let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
        let states: Vec<_> = states.into_iter().collect();
        Self::read(parent, Some(&states.join(",")))
    }

    /// The headers that say it: names and values.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let state = self.state().map(|state| (TRACESTATE, state.to_owned()));
        std::iter::once((TRACEPARENT, self.traceparent())).chain(state)
    }

    /// The same with what tracing systems add, as `tracestate` has it; without, if that is none.
    #[must_use]
    pub fn with_state(self, state: &str) -> Self {
        let state = state.trim_matches([' ', '\t']);
        let state = is_state(state).then(|| state.into());
        Self { state, ..self }
    }

    /// The value of the header `traceparent`.
    pub fn traceparent(&self) -> String {
        self.to_string()
    }

    /// The value of the header `tracestate`, if there is one.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The trace.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The span in it.
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// Whether the trace is recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The trace's id as text: what logs and tools show.
    pub fn trace_id_text(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.trace_id))
    }

    /// About what the headers take in a message of NATS.
    #[cfg(feature = "nats")]
    pub(crate) fn header_size(&self) -> usize {
        let field = |name: &str, value: usize| name.len() + value + 4;
        let state = self.state().map_or(0, |state| field(TRACESTATE, state.len()));
        "NATS/1.0\r\n\r\n".len() + field(TRACEPARENT, LENGTH) + state
    }
}

/// As `traceparent` has it.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (u128::from_be_bytes(self.trace_id), u64::from_be_bytes(self.span_id));
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", self.flags)
    }
}

impl FromStr for TraceContext {
    type Err = NoTraceParent;

    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        let bytes = text.trim_matches([' ', '\t']).as_bytes();
        let version = bytes.get(..2).and_then(hex::<1>).ok_or(NoTraceParent)?;
        let is_whole = match version {
            [0] => bytes.len() == LENGTH,
            [0xff] => false,
            _ => bytes.len() <= MAX_LENGTH && bytes.get(LENGTH).is_none_or(|next| *next == b'-'),
        };
        let has_dashes = [2, 35, 52].iter().all(|at| bytes.get(*at) == Some(&b'-'));
        if !is_whole || !has_dashes {
            return Err(NoTraceParent);
        }
        let trace_id = bytes.get(3..35).and_then(hex::<16>).ok_or(NoTraceParent)?;
        let span_id = bytes.get(36..52).and_then(hex::<8>).ok_or(NoTraceParent)?;
        let [flags] = bytes.get(53..LENGTH).and_then(hex::<1>).ok_or(NoTraceParent)?;
        let context = Self::new(trace_id, span_id, false).ok_or(NoTraceParent)?;
        Ok(Self { flags: flags & (SAMPLED | RANDOM), ..context })
    }
}

/// So many bytes as lower-case hexadecimal digits.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// Whether it is a list of keys and values that may go into a header.
fn is_state(state: &str) -> bool {
    let is_member = |member: &str| {
        let member = member.trim_matches([' ', '\t']);
        member.is_empty()
            || matches!(member.split_once('='), Some((key, value)) if !key.is_empty() && !value.is_empty())
    };
    !state.is_empty()
        && state.len() <= MAX_STATE
        && state.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
        && state.split(',').count() <= MAX_MEMBERS
        && state.split(',').all(is_member)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_written_again() {
        let context = TraceContext::read(PARENT, Some("a=1,b@c=2")).expect("a context");
        assert_eq!((&*context.traceparent(), context.state()), (PARENT, Some("a=1,b@c=2")));
        assert_eq!(context.trace_id_text(), "0af7651916cd43dd8448eb211c80319c");
        assert!(context.is_sampled());
        // A later version, which may say more.
        let later = PARENT.replacen("00", "01", 1) + "-what the future brings";
        assert_eq!(later.parse::<TraceContext>().expect("a context").traceparent(), PARENT);
        let unsampled = TraceContext::unsampled();
        assert!(!unsampled.is_sampled());
        assert_eq!(unsampled.traceparent().parse(), Ok(unsampled));
    }

    #[test]
    fn what_is_odd_is_none() {
        for odd in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
            "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00-0af7651916cd43dd8448eb211c80319ü-b7ad6b716920333-01",
        ] {
            assert_eq!(odd.parse::<TraceContext>(), Err(NoTraceParent), "{odd}");
        }
        let long = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-".to_owned() + &"x".repeat(300);
        assert!(long.parse::<TraceContext>().is_err());
        let many = vec!["a=1"; 33].join(",");
        for odd in ["", "x", "=1", "a=", "a=1\r\nx: y", "a=ü", &"a=1,".repeat(200), &many] {
            assert_eq!(TraceContext::read(PARENT, Some(odd)).expect("a context").state(), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_come(parent in ".{0,80}", state in ".{0,80}") {
            if let Some(context) = TraceContext::read(&parent, Some(&state)) {
                prop_assert_eq!(context.traceparent().len(), LENGTH);
            }
        }

        #[test]
        fn nearly_right_is_right_or_none(at in 0..PARENT.len(), byte in 0_u8..128) {
            let mut bytes = PARENT.as_bytes().to_vec();
            bytes[at] = byte;
            let text = String::from_utf8(bytes).expect("ASCII");
            if let Ok(context) = text.parse::<TraceContext>() {
                prop_assert_eq!(context.traceparent().parse(), Ok(context));
            }
        }
    }
}
