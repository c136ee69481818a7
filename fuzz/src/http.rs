//! HTTP requests to the endpoint: methods, queries, headers and bodies of any kind, for new sessions, for one that is there,
//! and for those of other nodes.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, Uri};
use actix_web::test::TestRequest;

use super::app::{run, sid_of, turns};
use super::input::Input;

const MAX_REQUESTS: usize = 8;
const QUERIES: [&str; 9] = [
    "EIO=4&transport=polling",
    "EIO=4&transport=polling&sid=$",
    "EIO=3&transport=polling",
    "EIO=3&transport=polling&sid=$",
    "EIO=3&transport=polling&sid=$&j=1",
    "EIO=4&transport=websocket",
    "EIO=4&transport=websocket&sid=$",
    "EIO=4&transport=polling&sid=xhostileA",
    "EIO=3&transport=polling&b64=1&%",
];
const NAMES: [&str; 9] = [
    "upgrade",
    "connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "content-type",
    "content-length",
    "accept-encoding",
    "cookie",
    "origin",
];
const VALUES: [&str; 8] = [
    "websocket",
    "Upgrade",
    "dGhlIHNhbXBsZSBub25jZQ==",
    "13",
    "application/octet-stream",
    "gzip, deflate;q=0",
    "*;q=0.5",
    "text/plain;charset=UTF-8",
];
const BODIES: [&str; 5] = ["4x", "4x\u{1e}4y", "2:4x", "1", "bAAEC"];

/// Sends what the input asks for.
pub fn http_request(input: &[u8]) {
    let mut input = Input::new(input);
    run(async |endpoint| {
        let mut sid = String::new();
        for _ in 0..MAX_REQUESTS {
            let Some(request) = request(&mut input, &sid) else { break };
            if let Some(answer) = endpoint.fetch(request).await {
                assert!((100..600).contains(&answer.0));
                if let Some(opened) = sid_of(&answer) {
                    sid = opened;
                }
            }
            if input.is_empty() {
                break;
            }
        }
        for (revision, body) in [(4, "1"), (3, "1:1")] {
            let target = format!("/engine.io/?EIO={revision}&transport=polling&sid={sid}");
            if target.parse::<Uri>().is_ok() {
                endpoint.fetch(TestRequest::post().uri(&target).set_payload(body)).await;
            }
        }
        turns().await;
    });
}

/// None if it is none that could come.
fn request(input: &mut Input<'_>, sid: &str) -> Option<TestRequest> {
    let method = Method::from_bytes(input.word(&["GET", "GET", "POST", "OPTIONS"]).as_bytes()).ok()?;
    let query = input.word(&QUERIES).replace('$', sid);
    let target = format!("/engine.io/?{query}");
    target.parse::<Uri>().ok()?;
    let mut request = TestRequest::with_uri(&target).method(method);
    for _ in 0..input.choice(5) {
        let name = HeaderName::from_bytes(input.word(&NAMES).as_bytes()).ok()?;
        let value = HeaderValue::from_str(&input.word(&VALUES)).ok()?;
        request = request.append_header((name, value));
    }
    let body = match input.choice(2) {
        0 => input.word(&BODIES).into_bytes(),
        _ => input.bytes().to_vec(),
    };
    Some(request.set_payload(body))
}
