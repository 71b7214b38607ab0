#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use std::io::Write;

use async_trait::async_trait;
use echobase_types::SignalBatch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::SinkError;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A server that gives each connection the next answer, the last one for ever, and keeps what it was asked.
struct Plant {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    _stop: tokio_util::sync::DropGuard,
}

impl Plant {
    async fn answering(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, asked) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
        let (seen, stopped) = (Arc::clone(&asked), stop.clone());
        let serve = async move {
            for turn in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                        break;
                    }
                    request.push(byte[0]);
                }
                seen.lock().unwrap().push(String::from_utf8(request).unwrap());
                _ = stream.write_all(&answers[turn.min(answers.len() - 1)]).await;
                if answers[turn.min(answers.len() - 1)].is_empty() {
                    std::mem::forget(stream);
                }
            }
        };
        std::mem::drop(tokio::task::spawn_local(async move { stopped.run_until_cancelled(serve).await }));
        Self { address, asked, _stop: stop.drop_guard() }
    }
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    [
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n").as_bytes(),
        body,
    ]
    .concat()
}

fn job(name: &str, targets: &[&str]) -> ScrapeConfig {
    ScrapeConfig {
        job: name.to_owned(),
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
        ..ScrapeConfig::default()
    }
}

fn scraper(jobs: &[ScrapeConfig]) -> Result<Scraper, ScrapeConfigError> {
    let environment = |name: &str| (name == "TOKEN").then(|| "fr0m-env".to_owned());
    Scraper::new(jobs, TenantId::default_tenant(), IngestLimits::default(), Arc::default(), &environment)
}

fn value(batch: &SignalBatch, name: &str) -> Option<f64> {
    batch.points.iter().find(|p| batch.series[p.series as usize].name == name).map(|p| p.value)
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

#[test]
fn a_target_is_asked_and_read() {
    block_on(async {
        let plant = Plant::answering(vec![answer("", b"requests_total{instance=\"x\"} 7\nbad\n")]).await;
        let scraper = scraper(&[job("shop", &[&plant.address])]).unwrap();
        let scrape = scraper.run_once(NOW).await.pop().unwrap();
        assert!(scrape.error.is_none());
        let batch = &scrape.decoded.batch;
        assert_eq!(batch.resources[0].id.as_str(), "service:shop");
        assert_eq!(value(batch, "requests_total"), Some(7.0));
        assert_eq!((value(batch, "up"), value(batch, "scrape_samples_scraped")), (Some(1.0), Some(1.0)));
        assert!(value(batch, "scrape_duration_seconds").unwrap() > 0.0);
        let labels = &batch.series[0].attributes;
        assert_eq!(labels.text("instance"), Some(plant.address.as_str()));
        assert_eq!((labels.text("job"), labels.text("exported_instance")), (Some("shop"), Some("x")));
        assert_eq!(scrape.decoded.rejected_total(), 1);
        let asked = plant.asked.lock().unwrap()[0].to_ascii_lowercase();
        for part in ["get /metrics http/1.1", "accept: application/openmetrics-text", "accept-encoding: gzip"]
        {
            assert!(asked.contains(part), "{part}: {asked}");
        }
    });
}

#[test]
fn every_way_to_fail_is_up_0_and_does_not_hold_the_others_up() {
    block_on(async {
        let good = Plant::answering(vec![answer("", b"a 1\n")]).await;
        let silent = Plant::answering(vec![Vec::new()]).await;
        let error = Plant::answering(vec![b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec()]).await;
        let moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        let moved = Plant::answering(vec![moved.to_vec()]).await;
        let large = Plant::answering(vec![answer("", &vec![b'#'; 5_000])]).await;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&vec![b'#'; 5_000_000]).unwrap();
        let bomb =
            Plant::answering(vec![answer("Content-Encoding: gzip\r\n", &packer.finish().unwrap())]).await;
        let cut = answer("Content-Type: application/openmetrics-text\r\n", b"a 1\n");
        let cut = Plant::answering(vec![cut]).await;
        let mut jobs: Vec<_> = [&good, &silent, &error, &moved, &large, &bomb, &cut]
            .iter()
            .map(|plant| ScrapeConfig { max_body_bytes: 4_000, ..job("j", &[&plant.address]) })
            .chain([job("refused", &["127.0.0.1:1"])])
            .collect();
        jobs[1].timeout = Duration::from_millis(50);
        let scraper = scraper(&jobs).unwrap();
        let handle = scraper.handle();
        let all = scraper.run_once(NOW).await;
        let seen: Vec<_> = all
            .iter()
            .map(|s| (value(&s.decoded.batch, "up"), s.error.as_ref().map(ScrapeError::kind)))
            .collect();
        let down = |kind| (Some(0.0), Some(kind));
        let expected = [
            (Some(1.0), None),
            down(ErrorKind::Timeout),
            down(ErrorKind::Unavailable),
            down(ErrorKind::Unavailable),
            down(ErrorKind::TooLarge),
            down(ErrorKind::TooLarge),
            down(ErrorKind::Invalid),
            down(ErrorKind::Unavailable),
        ];
        assert_eq!(seen, expected);
        assert!(all.iter().skip(1).all(|s| s.decoded.batch.points.len() == 3));
        let states = handle.targets();
        assert_eq!(states.iter().map(|s| s.failures).sum::<u64>(), 7);
        assert_eq!(states[2].last_error.as_deref(), Some("target answered with status 500"));
    });
}

#[test]
fn an_answer_that_is_no_exposition_is_up_0_and_says_why() {
    block_on(async {
        let page = b"<html>\n<body>Sign in</body>\n</html>\n";
        for (head, body, up, error) in [
            (
                "Content-Type: text/html; charset=utf-8\r\n",
                &b"a 1\n"[..],
                0.0,
                Some(
                    "target answered with content type `text/html; charset=utf-8`, which is no exposition format",
                ),
            ),
            (
                "Content-Type: application/json\r\n",
                b"{}",
                0.0,
                Some("target answered with content type `application/json`, which is no exposition format"),
            ),
            ("", page, 0.0, Some("read answer of target: parse body at line 1 column 1: ")),
            ("Content-Type: text/plain\r\n", b"# a page\nnone of it\n", 0.0, Some("read answer of target: ")),
            ("Content-Type: text/plain; version=0.0.4\r\n", b"# HELP a\na 1\n", 1.0, None),
            ("Content-Type: application/octet-stream\r\n", b"a 1\nbad\n", 1.0, None),
            ("Content-Type: text/plain\r\n", b"# nothing yet\n", 1.0, None),
            ("", b"", 1.0, None),
        ] {
            let plant = Plant::answering(vec![answer(head, body)]).await;
            let scraper = scraper(&[job("j", &[&plant.address])]).unwrap();
            let scrape = scraper.run_once(NOW).await.pop().unwrap();
            assert_eq!(value(&scrape.decoded.batch, "up"), Some(up), "{head}");
            let status = scraper.handle().targets().remove(0);
            assert_eq!(status.failures, u64::from(error.is_some()));
            let told = status.last_error.unwrap_or_default();
            assert!(told.starts_with(error.unwrap_or_default()), "{told}");
            assert_eq!(told.is_empty(), error.is_none(), "{told}");
            assert_eq!(scrape.error.map(|e| e.kind()), error.map(|_| ErrorKind::Invalid));
        }
    });
}

#[test]
fn the_answer_says_what_a_target_is_and_it_stays_that_when_it_goes_down() {
    block_on(async {
        let uname =
            b"node_load1 0.5\nnode_uname_info{machine=\"x86_64\",nodename=\"db-3\",sysname=\"Linux\"} 1\n";
        let node = Plant::answering(vec![answer("", uname), b"HTTP/1.1 503 No\r\n\r\n".to_vec()]).await;
        let vllm = Plant::answering(vec![answer("", b"vllm:num_requests_running 3\n")]).await;
        let named = ScrapeConfig {
            resource_kind: Some("process".to_owned()),
            resource_name: Some("billing/nightly".to_owned()),
            ..job("x", &[&vllm.address])
        };
        let host = ScrapeConfig { resource_kind: Some("host".to_owned()), ..job("y", &["127.0.0.1:1"]) };
        let jobs = [job("node", &[&node.address]), job("llama", &[&vllm.address]), named, host];
        let scraper = scraper(&jobs).unwrap();
        for turn in 0..2 {
            let all = scraper.run_once(NOW).await;
            let ids: Vec<_> = all.iter().map(|s| s.decoded.batch.resources[0].id.to_string()).collect();
            let expected = ["host:db-3", "engine:llama", "process:billing/nightly", "host:127.0.0.1"];
            assert_eq!(ids, expected, "turn {turn}");
        }
        let known = &scraper.handle().targets()[0].resource.attributes.clone();
        assert_eq!((known.text("os.type"), known.text("host.arch")), (Some("linux"), Some("x86_64")));
    });
}

#[test]
fn a_token_is_read_from_its_file_at_each_scrape_and_never_shown() {
    block_on(async {
        let plant = Plant::answering(vec![answer("", b"a 1\n")]).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let with_token = ScrapeConfig {
            bearer_token: Some(format!("file:{}", path.display())),
            ..job("j", &[&plant.address])
        };
        let scraper = scraper(&[with_token]).unwrap();
        let missing = scraper.run_once(NOW).await.pop().unwrap().error.unwrap();
        assert_eq!(missing.kind(), ErrorKind::Unauthenticated);
        std::fs::write(&path, "s3cret\n").unwrap();
        assert!(scraper.run_once(NOW).await.pop().unwrap().error.is_none());
        assert!(plant.asked.lock().unwrap()[0].contains("authorization: Bearer s3cret\r\n"));
        let by_name =
            ScrapeConfig { bearer_token: Some("env:TOKEN".to_owned()), ..job("j", &[&plant.address]) };
        let by_name = super::tests::scraper(&[by_name]).unwrap();
        assert!(by_name.run_once(NOW).await.pop().unwrap().error.is_none());
        assert!(plant.asked.lock().unwrap()[1].contains("authorization: Bearer fr0m-env\r\n"));
        assert!(!format!("{by_name:?}").contains("fr0m-env"));
    });
}

#[test]
fn settings_that_cannot_work_are_refused_with_their_key() {
    for (config, key) in [
        (job("", &["a:1"]), "job"),
        (job("j", &[]), "targets"),
        (job("j", &["ftp://a"]), "targets"),
        (job("j", &["a b"]), "targets"),
        (ScrapeConfig { timeout: Duration::from_secs(16), ..job("j", &["a"]) }, "timeout"),
        (ScrapeConfig { interval: Duration::ZERO, ..job("j", &["a"]) }, "interval"),
        (ScrapeConfig { resource_kind: Some("planet".to_owned()), ..job("j", &["a"]) }, "resource_kind"),
        (ScrapeConfig { bearer_token: Some("secret".to_owned()), ..job("j", &["a"]) }, "bearer_token"),
        (ScrapeConfig { bearer_token: Some("env:UNSET".to_owned()), ..job("j", &["a"]) }, "bearer_token"),
    ] {
        let error = scraper(&[config]).unwrap_err();
        assert!(matches!(&error, ScrapeConfigError::Invalid { key: k, .. } if *k == key), "{error}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn targets_are_written_in_many_ways() {
    for (text, url, instance) in [
        ("db:9100", "http://db:9100/metrics", "db:9100"),
        ("db", "http://db/metrics", "db:80"),
        ("https://db/", "https://db/metrics", "db:443"),
        ("http://[::1]:9/federate?x=1", "http://[::1]:9/federate?x=1", "[::1]:9"),
        ("[::1]:9", "http://[::1]:9/metrics", "[::1]:9"),
    ] {
        let target = Target::all_of(&job("j", &[text]), &|_| None).unwrap().pop().unwrap();
        assert_eq!((target.url.as_str(), target.instance.as_str()), (url, instance), "{text}");
    }
}

#[test]
fn configuration_reads_lengths_of_time_and_refuses_unknown_keys() {
    let config: ScrapeConfig =
        serde_json::from_str(r#"{"job":"j","targets":["a:1"],"interval":"1m30s","scheme":"https"}"#).unwrap();
    assert_eq!((config.interval, config.scheme), (Duration::from_secs(90), Scheme::Https));
    assert!(serde_json::from_str::<ScrapeConfig>(r#"{"jobs":"j"}"#).is_err());
    assert!(serde_json::from_str::<ScrapeConfig>(r#"{"interval":"fast"}"#).is_err());
}

struct Kept {
    batches: Mutex<Vec<SignalBatch>>,
    enough: CancellationToken,
}

#[async_trait]
impl Sink for Kept {
    async fn append(&self, _: &TenantId, batch: SignalBatch) -> Result<(), SinkError> {
        let mut batches = self.batches.lock().unwrap();
        batches.push(batch);
        if batches.len() == 3 {
            self.enough.cancel();
        }
        match batches.len() {
            1 => Err(SinkError::Unavailable {
                reason: "disk full".to_owned(),
                retry_after: Duration::from_secs(1),
            }),
            _ => Ok(()),
        }
    }
}

#[test]
fn a_running_scraper_goes_on_when_the_sink_is_full_and_stops_when_told() {
    block_on(async {
        let plant = Plant::answering(vec![answer("", b"a 1\n")]).await;
        let often = ScrapeConfig {
            interval: Duration::from_millis(5),
            timeout: Duration::from_millis(5),
            ..job("j", &[&plant.address])
        };
        let scraper = scraper(&[often]).unwrap();
        let handle = scraper.handle();
        let sink = Arc::new(Kept { batches: Mutex::default(), enough: CancellationToken::new() });
        scraper.run(sink.clone(), Arc::new(|| NOW), sink.enough.clone()).await;
        assert_eq!(sink.batches.lock().unwrap().len(), 3);
        assert_eq!(handle.targets()[0].unstored, 1);
    });
}
