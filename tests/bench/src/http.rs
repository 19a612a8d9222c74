//! The least of HTTP/1.1 that a load generator needs: one connection, one request at a time, bodies of known length.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The longest wait for one answer of the calls that steer a benchmark.
const ANSWER: Duration = Duration::from_secs(60);

/// A connection that is kept alive.
pub struct Connection {
    stream: TcpStream,
    /// What was read and belongs to the answer at hand.
    buffer: Vec<u8>,
}

/// Where the parts of an answer lie in the buffer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Bytes up to the body.
    length: usize,
    /// Bytes of the body.
    body: usize,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 << 10) })
    }

    /// Sends the bytes of one request and answers the status; the body stays in [`body`](Self::body).
    pub async fn send(&mut self, request: &[u8]) -> Result<u16> {
        self.buffer.clear();
        self.stream.write_all(request).await?;
        let head = loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
            if let Some(head) = head(&self.buffer)? {
                break head;
            }
        };
        while self.buffer.len() < head.length + head.body {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection within a body");
        }
        ensure!(self.buffer.len() == head.length + head.body, "the server said more than one answer");
        self.buffer.drain(..head.length);
        Ok(head.status)
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        &self.buffer
    }

    /// One call that steers a benchmark; anything but 2xx is an error.
    pub async fn call(&mut self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request(token, method, path, &body);
        let status = timeout(ANSWER, self.send(&request)).await.with_context(|| format!("{method} {path}: no answer"))??;
        let text = String::from_utf8_lossy(self.body());
        ensure!((200..300).contains(&status), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).with_context(|| format!("{method} {path} did not answer JSON"))
    }
}

/// The bytes of a request.
pub fn request(token: &str, method: &str, path: &str, body: &str) -> Vec<u8> {
    let about_body = match body {
        "" if method == "GET" => String::new(),
        body => format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()),
    };
    format!("{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\naccept: application/json\r\n{about_body}\r\n{body}")
        .into_bytes()
}

/// Reads the head of an answer; none while it is not complete.
fn head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let status = bytes.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let Some(status) = status.filter(|_| bytes.starts_with(b"HTTP/1.1 ")) else { bail!("the answer is not HTTP/1.1") };
    let mut body = if status == 204 { Some(0) } else { None };
    for line in bytes[..end].split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.eq_ignore_ascii_case(b"content-length") {
            body = std::str::from_utf8(value).ok().and_then(|value| value.trim().parse().ok());
        }
    }
    match body {
        Some(body) => Ok(Some(Head { status, length: end + 4, body })),
        None => bail!("the answer {status} has no content-length"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nCONTENT-LENGTH: 12\r\n\r\n{\"ok\":true}\n";
        for end in 0..answer.len() - 12 {
            assert_eq!(head(&answer[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(head(answer).unwrap(), Some(Head { status: 201, length: answer.len() - 12, body: 12 }));
    }

    #[test]
    fn answers_that_cannot_be_delimited_are_refused() {
        assert!(head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(head(b"ICY 200 OK\r\ncontent-length: 0\r\n\r\n").is_err());
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body, 0);
    }
}
