//! Whether an instance answers.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::ReadinessConfig;

/// One try may take so long.
const TRY: Duration = Duration::from_secs(2);

/// Asks once. The texts of `readiness` have their placeholders filled in.
pub(super) async fn answers(readiness: &ReadinessConfig) -> bool {
    match readiness {
        ReadinessConfig::Running => true,
        ReadinessConfig::Tcp { address } => {
            matches!(timeout(TRY, TcpStream::connect(address)).await, Ok(Ok(_)))
        }
        ReadinessConfig::Http { address, path } => {
            matches!(timeout(TRY, get(address, path)).await, Ok(Ok(status)) if (200..300).contains(&status))
        }
    }
}

/// The status of a GET. One request of HTTP/1.0 needs no client library.
async fn get(address: &str, path: &str) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0; 64];
    let mut filled = 0;
    while filled < head.len() && !head[..filled].contains(&b'\n') {
        match stream.read(&mut head[filled..]).await? {
            0 => break,
            n => filled += n,
        }
    }
    let line = String::from_utf8_lossy(&head[..filled]);
    let status =
        line.strip_prefix("HTTP/").and_then(|l| l.split_whitespace().nth(1)).and_then(|s| s.parse().ok());
    status.ok_or_else(|| std::io::Error::other("not an HTTP answer"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;
    use tokio::net::TcpListener;

    async fn asked(answer: &'static str) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 256];
            let n = stream.read(&mut request).await.unwrap();
            assert!(request[..n].starts_with(b"GET /health HTTP/1.0\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let readiness = ReadinessConfig::Http { address, path: "/health".to_owned() };
        tokio::join!(serve, answers(&readiness)).1
    }

    #[tokio::test]
    async fn only_a_2xx_answer_is_ready() {
        assert!(asked("HTTP/1.1 200 OK\r\n\r\n").await);
        assert!(asked("HTTP/1.1 204 No Content\r\n\r\n").await);
        assert!(!asked("HTTP/1.1 503 Service Unavailable\r\n\r\n").await);
        assert!(!asked("hello\r\n").await);
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let readiness = ReadinessConfig::Tcp { address };
        assert!(answers(&readiness).await);
        drop(listener);
        assert!(!answers(&readiness).await);
    }
}
