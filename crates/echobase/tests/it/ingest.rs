//! Signals in: accepted rows are readable at once, bad rows are listed, bad bodies say where.

use echobase_types::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{World, json_of};

fn now() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(now.as_micros() as i64).to_string()
}

async fn events(world: &World, body: String) -> reqwest::Response {
    world.request(Method::POST, "/api/v1/events").body(body).send().await.unwrap()
}

#[tokio::test]
async fn good_events_are_kept_and_bad_lines_are_listed_with_their_number() {
    let world = World::start();
    let at = now();
    let body = format!(
        "{{\"time\":\"{at}\",\"name\":\"order.placed\",\"resource\":{{\"service.name\":\"shop\"}},\"amount\":3}}\n\
         this is not JSON\n\
         {{\"time\":\"1999-01-01T00:00:00Z\",\"name\":\"too.old\"}}\n\
         {{\"time\":\"{at}\",\"name\":\"order.paid\",\"resource\":{{\"service.name\":\"shop\"}}}}\n"
    );
    let answer = json_of(events(&world, body).await, StatusCode::OK).await;
    assert_eq!((answer["accepted"].as_u64(), answer["rejected"].as_u64()), (Some(2), Some(2)), "{answer}");
    let places: Vec<&str> =
        answer["rejections"].as_array().unwrap().iter().map(|r| r["at"].as_str().unwrap()).collect();
    assert!(places[0].contains('2') && places[1].contains('3'), "{places:?}");
    let rows = world.sql("SELECT event_name FROM events ORDER BY event_name").await;
    assert_eq!(rows, [[Value::from("order.paid")], [Value::from("order.placed")]]);
}

#[tokio::test]
async fn otlp_json_without_any_setting_is_taken_and_a_broken_body_says_where() {
    let world = World::start();
    let nanos =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos().to_string();
    let body = json!({ "resourceMetrics": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "orders" } }] },
        "scopeMetrics": [{ "metrics": [{ "name": "queue.length", "gauge": { "dataPoints": [
            { "timeUnixNano": nanos, "asDouble": 4.0 },
            { "timeUnixNano": "1000", "asDouble": 5.0 }
        ] } }] }]
    }] });
    let url = format!("{}/v1/metrics", world.otlp_http);
    let answer = json_of(world.http.post(&url).json(&body).send().await.unwrap(), StatusCode::OK).await;
    assert_eq!(answer["partialSuccess"]["rejectedDataPoints"], json!(1), "{answer}");
    assert_eq!(world.count("SELECT count(*) FROM metrics WHERE metric = 'queue.length'").await, 1);

    let broken =
        world.http.post(&url).header("content-type", "application/json").body("{\"resourceMetrics\": [");
    let problem = json_of(broken.send().await.unwrap(), StatusCode::BAD_REQUEST).await;
    assert!(
        problem["errors"][0]["line"].is_u64() || problem["detail"].as_str().unwrap().contains("byte"),
        "{problem}"
    );
    world
        .wait_for("the resource", "/api/v1/resources", |seen| {
            seen["items"].as_array().unwrap().iter().any(|r| r["id"] == "service:orders")
        })
        .await;
}

#[tokio::test]
async fn line_protocol_is_taken_and_a_bad_line_costs_only_itself() {
    let world = World::start();
    let write = |path: &str, body: &str| {
        let request = world.http.post(format!("{}{path}", world.otlp_http)).body(body.to_owned());
        async move { request.send().await.unwrap() }
    };
    let whole =
        write("/write?db=any", "cpu,host=web-1 user=12.5,idle=80i\ndeploy,host=web-1 version=\"2\"").await;
    assert_eq!(whole.status(), StatusCode::NO_CONTENT);
    let part = write("/api/v2/write?bucket=b&precision=s", "cpu,host=web-2 user=1\ncpu,host=web-2\n").await;
    let problem = json_of(part, StatusCode::BAD_REQUEST).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("partial write") && detail.contains("line 2"), "{problem}");
    let rows = "SELECT resource_id, metric, value FROM metrics WHERE metric LIKE 'cpu%' ORDER BY resource_id, metric";
    let expected = json!([
        ["host:web-1", "cpu_idle", 80.0],
        ["host:web-1", "cpu_user", 12.5],
        ["host:web-2", "cpu_user", 1.0]
    ]);
    assert_eq!(json!(world.sql(rows).await), expected);
    assert_eq!(world.count("SELECT count(*) FROM events WHERE event_name = 'deploy'").await, 1);
    let lost = write("/write?precision=d", "cpu v=1").await;
    assert_eq!(lost.status(), StatusCode::BAD_REQUEST);
    let ping = world.http.get(format!("{}/ping", world.otlp_http)).send().await.unwrap();
    assert_eq!(ping.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn datagrams_become_logs_and_metrics_and_are_counted() {
    let world = World::with(
        "[syslog]\nlisten = \"127.0.0.1:0\"\n[statsd]\nlisten = \"127.0.0.1:0\"\ninterval = \"1s\"\n",
    );
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let send = |to: &str, datagram: &str| {
        socket.send_to(datagram.as_bytes(), world.addresses[to].as_str().unwrap()).unwrap();
    };
    send("syslog", "<34>Oct 11 22:14:15 web-1 su[42]: login failed");
    send("syslog", "<999>no priority");
    send("statsd", "orders:2|c|#service:shop\norders:3|c|#service:shop");
    world
        .wait_for_row("SELECT count(*) FROM logs WHERE resource_id = 'host:web-1' AND body = 'login failed'")
        .await;
    world.wait_for_row("SELECT count(*) FROM metrics WHERE resource_id = 'service:shop' AND value = 5").await;
    let page = world.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    for (receiver, outcome, count) in
        [("syslog", "received", 2), ("syslog", "rejected", 1), ("statsd", "received", 1)]
    {
        let line = format!("{{receiver=\"{receiver}\",outcome=\"{outcome}\"}} {count}");
        assert!(page.contains(&line), "{line} is not in {page}");
    }
}

#[tokio::test]
async fn a_browser_of_another_site_cannot_send_without_a_key() {
    let world = World::start();
    let request =
        world.http.post(format!("{}/v1/logs", world.otlp_http)).header("origin", "https://evil.example");
    let response = request.header("content-type", "application/json").body("{}").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn sql_is_read_only_and_its_faults_are_told() {
    let world = World::start();
    for (sql, status) in [
        ("SELECT 1 AS one", 200),
        ("DROP TABLE metrics", 400),
        ("CREATE TABLE x AS SELECT 1", 400),
        ("SELECT * FROM nowhere", 400),
        ("SELEKT 1", 400),
        ("COPY (SELECT 1) TO '/tmp/x.csv'", 400),
        ("SELECT * FROM '/etc/passwd'", 400),
        ("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", 400),
    ] {
        let request = world.request(Method::POST, "/api/v1/query").json(&json!({ "sql": sql }));
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{sql}: {}", response.text().await.unwrap());
    }
}

#[tokio::test]
async fn a_csv_file_is_imported_with_its_dirty_rows_listed_and_not_twice() {
    let world = World::start();
    let mut csv = String::from("timestamp,cpu,latency\n");
    for minute in 0..50 {
        csv.push_str(&format!("2024-03-01 10:{minute:02}:00,0.{minute:02},{}\n", minute * 2));
    }
    csv.push_str("not a time,1,2\n2024-03-01 11:00:00,nonsense,3\n");
    std::fs::write(world.folder.path().join("history.csv"), csv).unwrap();
    let told = |arguments: &[&str]| {
        let all = [&["import", "history.csv", "--resource", "service:legacy"][..], arguments].concat();
        let done = world.run(&all);
        let told =
            String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{told}");
        told
    };
    assert!(told(&[]).contains("nonsense"));
    assert!(told(&[]).contains("already"));
    assert!(told(&["--restart"]).contains("nonsense"));
    let stored = "SELECT count(*) FROM metrics WHERE resource_id = 'service:legacy' AND metric = 'cpu'";
    assert_eq!(world.count(stored).await, 50);
}
