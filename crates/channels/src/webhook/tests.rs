#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode as Status};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::*;
use crate::egress::{EgressConfig, Resolver};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn secret() -> Secret {
    Secret::from_bytes(&[7; 32]).unwrap()
}

/// The example of the specification's own libraries.
#[test]
fn the_signature_is_that_of_the_specification() {
    let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let signed = sign(
        &secret,
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        Timestamp::from_secs(1_614_265_330),
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn only_the_right_message_in_time_is_believed() {
    let (old, new) = (secret(), Secret::from_bytes(&[9; 24]).unwrap());
    let (body, at) = (b"{}".as_slice(), "1800000000");
    let good = sign(&new, "m", NOW, body);
    let both = [old.clone(), new];
    let believed = |id, at, signatures: &str, body, now| verify(&both, id, at, signatures, body, now);
    let later = |seconds| NOW + Duration::from_secs(seconds);
    assert_eq!(believed("m", at, &good, body, NOW), Ok(()));
    assert_eq!(believed("m", at, &format!("v1a,x v1,!! v1,AAAA {good}"), body, later(300)), Ok(()));
    for (id, at, signatures, body, now, error) in [
        ("m", at, good.as_str(), body, later(301), VerifyError::Stale),
        ("m", at, &good, body, NOW - Duration::from_secs(301), VerifyError::Stale),
        ("m", "9223372036854775807", &good, body, NOW, VerifyError::Stale),
        ("m", "soon", &good, body, NOW, VerifyError::Timestamp),
        ("n", at, &good, body, NOW, VerifyError::Signature),
        ("m", "1800000001", &good, body, NOW, VerifyError::Signature),
        ("m", at, &good, b"{ }", NOW, VerifyError::Signature),
        ("m", at, &good[..good.len() - 4], body, NOW, VerifyError::Signature),
        ("m", at, "", body, NOW, VerifyError::Signature),
        ("m", at, &good.replace("v1,", "v2,"), body, NOW, VerifyError::Signature),
    ] {
        assert_eq!(believed(id, at, signatures, body, now), Err(error), "{id} {at} {signatures}");
    }
    assert_eq!(verify(&[old], "m", at, &good, body, NOW), Err(VerifyError::Signature));
}

#[test]
fn secrets_keep_to_their_form_and_are_not_shown() {
    for text in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!!", "whsec_c2hvcnQ="] {
        assert_eq!(Secret::parse(text), Err(InvalidSecret), "{text}");
    }
    assert!(Secret::from_bytes(&[0; 65]).is_err());
    assert_eq!(Secret::parse(&secret().reveal()), Ok(secret()));
    assert_eq!(format!("{:?}", secret()), "Secret(..)");
}

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

async fn answer(
    State(seen): State<Seen>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    seen.lock().unwrap().push((headers, body));
    match path.as_str() {
        "slow" => std::future::pending().await,
        "moved" => (Status::FOUND, [("location", "/200")]).into_response(),
        "busy" => (Status::TOO_MANY_REQUESTS, [("retry-after", "7")]).into_response(),
        "full" => (Status::SERVICE_UNAVAILABLE, [("retry-after", "999999")]).into_response(),
        number => (Status::from_u16(number.parse().unwrap()).unwrap(), "secret inside").into_response(),
    }
}

/// A receiver on a port of its own; it ends with the runtime of the test.
async fn receiver() -> (u16, Seen) {
    let seen = Seen::default();
    let router = Router::new().route("/{path}", post(answer)).with_state(Arc::clone(&seen));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::task::spawn_local(async move { axum::serve(listener, router).await });
    (port, seen)
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

fn webhook(url: String, origin: Origin) -> Webhook {
    let body = br#"{"type":"alert.firing"}"#.to_vec();
    Webhook { id: "msg_1".to_owned(), url, origin, secret: secret(), body, timeout: Duration::from_secs(10) }
}

fn guard() -> Guard {
    Guard::new(EgressConfig::default())
}

#[test]
fn a_message_arrives_signed_with_its_key() {
    block_on(async {
        let (port, seen) = receiver().await;
        let message = webhook(format!("http://127.0.0.1:{port}/200"), Origin::Configuration);
        assert_eq!(send(&guard(), &message, NOW).await, Outcome::Delivered { status: 200 });
        let (headers, body) = seen.lock().unwrap().pop().unwrap();
        let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(
            (header("content-type"), header("idempotency-key")),
            ("application/json".into(), "msg_1".into())
        );
        let (id, at, signature) =
            (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
        assert_eq!(verify(&[secret()], &id, &at, &signature, &body, NOW), Ok(()));
    });
}

#[test]
fn every_answer_has_its_outcome() {
    block_on(async {
        let (port, seen) = receiver().await;
        let retry = |after: Option<u64>, reason: &str| super::retry(after.map(Duration::from_secs), reason);
        let status = |number: u16| format!("receiver answered with status {number}");
        for (path, outcome) in [
            ("204", Outcome::Delivered { status: 204 }),
            ("400", Outcome::Refused { reason: status(400) }),
            ("410", Outcome::Refused { reason: status(410) }),
            ("moved", Outcome::Refused { reason: status(302) }),
            ("408", retry(None, &status(408))),
            ("500", retry(None, &status(500))),
            ("busy", retry(Some(7), &status(429))),
            ("full", retry(Some(3_600), &status(503))),
        ] {
            let message = webhook(format!("http://127.0.0.1:{port}/{path}"), Origin::Configuration);
            assert_eq!(send(&guard(), &message, NOW).await, outcome, "{path}");
        }
        assert_eq!(seen.lock().unwrap().len(), 8, "the redirect was not followed");
        let timeout = Duration::from_millis(50);
        let slow = format!("http://127.0.0.1:{port}/slow");
        let slow = Webhook { timeout, ..webhook(slow, Origin::Configuration) };
        assert_eq!(send(&guard(), &slow, NOW).await, retry(None, "receiver did not answer in time"));
        let nobody = webhook("http://127.0.0.1:1/".to_owned(), Origin::Configuration);
        assert_eq!(send(&guard(), &nobody, NOW).await, retry(None, "connect to receiver"));
    });
}

#[test]
fn what_the_guard_refuses_is_never_asked() {
    block_on(async {
        let (port, seen) = receiver().await;
        for url in [
            format!("http://127.0.0.1:{port}/200"),
            format!("https://127.0.0.1:{port}/200"),
            format!("https://localhost:{port}/200"),
        ] {
            let outcome = send(&guard(), &webhook(url.clone(), Origin::Api), NOW).await;
            assert!(matches!(outcome, Outcome::Refused { .. }), "{url}: {outcome:?}");
        }
        assert!(seen.lock().unwrap().is_empty());
    });
}

/// Says another address each time.
struct Turning(Mutex<Vec<&'static str>>);

#[async_trait]
impl Resolver for Turning {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let mut all = self.0.lock().unwrap();
        if all.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "asked once too often"));
        }
        Ok(vec![all.remove(0).parse().unwrap()])
    }
}

#[test]
fn the_connection_goes_to_the_vetted_address_and_the_name_is_resolved_once() {
    block_on(async {
        let (port, seen) = receiver().await;
        // No resolver of this machine knows the name, so the answer proves the pin.
        let turning = Arc::new(Turning(Mutex::new(vec!["127.0.0.1"])));
        let guard = Guard::with_resolver(EgressConfig::default(), turning);
        let message = webhook(format!("http://hooks.example.com:{port}/200"), Origin::Configuration);
        assert_eq!(send(&guard, &message, NOW).await, Outcome::Delivered { status: 200 });
        let host = seen.lock().unwrap()[0].0.get("host").unwrap().to_str().unwrap().to_owned();
        assert_eq!(host, format!("hooks.example.com:{port}"));
        let again = send(&guard, &message, NOW).await;
        assert_eq!(again, super::retry(None, "resolve `hooks.example.com`"));
    });
}
