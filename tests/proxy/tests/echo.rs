//! What the proxy does to plain bytes, shown with a server that sends back what it gets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::time::{Duration, Instant};
use swarmlog_proxy::{Act, Pattern, Proxy, Wire};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Bound of a hang.
const BOUND: Duration = Duration::from_secs(10);
/// So long nothing comes where nothing may come.
const QUIET: Duration = Duration::from_millis(100);

/// A proxy before a server that answers with what it was sent.
async fn echo() -> Proxy {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = server.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = server.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    Proxy::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), upstream, Wire::Bytes).unwrap()
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// What comes next; empty at the end of the connection, none if nothing comes.
async fn hear(socket: &mut TcpStream, patience: Duration) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 100];
    let count = timeout(patience, socket.read(&mut bytes)).await.ok()?.unwrap_or(0);
    bytes.truncate(count);
    Some(bytes)
}

#[tokio::test]
async fn bytes_pass_and_the_end_of_one_side_reaches_the_other() {
    let proxy = echo().await;
    let mut socket = connect(&proxy).await;
    socket.write_all(b"hello").await.unwrap();
    assert_eq!(hear(&mut socket, BOUND).await.unwrap(), b"hello");
    socket.shutdown().await.unwrap();
    assert_eq!(hear(&mut socket, BOUND).await.unwrap(), b"");
}

#[tokio::test]
async fn what_is_held_waits_until_it_is_released_and_the_next_passes() {
    let proxy = echo().await;
    let mut socket = connect(&proxy).await;
    for pattern in [Pattern::REQUEST, Pattern::RESPONSE] {
        let trap = proxy.next(pattern, Act::Hold);
        socket.write_all(b"held").await.unwrap();
        trap.has_caught(1, BOUND).await.unwrap();
        assert_eq!(hear(&mut socket, QUIET).await, None);
        trap.release();
        assert_eq!(hear(&mut socket, BOUND).await.unwrap(), b"held");
        socket.write_all(b"next").await.unwrap();
        assert_eq!(hear(&mut socket, BOUND).await.unwrap(), b"next");
    }
}

#[tokio::test]
async fn what_is_held_still_arrives_when_its_sender_is_gone() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = server.local_addr().unwrap();
    let proxy = Proxy::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), upstream, Wire::Bytes).unwrap();
    let trap = proxy.next(Pattern::REQUEST, Act::Hold);
    let mut socket = connect(&proxy).await;
    let (mut heard, _) = server.accept().await.unwrap();
    socket.write_all(b"late").await.unwrap();
    trap.has_caught(1, BOUND).await.unwrap();
    drop(socket);
    assert_eq!(hear(&mut heard, QUIET).await, None);
    trap.release();
    assert_eq!(hear(&mut heard, BOUND).await.unwrap(), b"late");
    assert_eq!(hear(&mut heard, BOUND).await.unwrap(), b"");
}

#[tokio::test]
async fn what_is_discarded_never_arrives_and_its_connection_ends() {
    let proxy = echo().await;
    let trap = proxy.next(Pattern::REQUEST, Act::Hold);
    let mut socket = connect(&proxy).await;
    socket.write_all(b"lost").await.unwrap();
    trap.has_caught(1, BOUND).await.unwrap();
    trap.discard();
    assert_eq!(hear(&mut socket, BOUND).await.unwrap(), b"");
    assert_eq!(said_again(&proxy).await, b"again");
}

/// A new connection works.
async fn said_again(proxy: &Proxy) -> Vec<u8> {
    let mut socket = connect(proxy).await;
    socket.write_all(b"again").await.unwrap();
    hear(&mut socket, BOUND).await.unwrap()
}

#[tokio::test]
async fn a_cut_ends_the_connection_with_or_without_the_frame() {
    let proxy = echo().await;
    for (act, heard) in [(Act::Cut, &b""[..]), (Act::PassAndCut, b"last")] {
        let trap = proxy.next(Pattern::RESPONSE, act);
        let mut socket = connect(&proxy).await;
        socket.write_all(b"last").await.unwrap();
        trap.has_caught(1, BOUND).await.unwrap();
        assert_eq!(hear(&mut socket, BOUND).await.unwrap(), heard);
        assert!(hear(&mut socket, BOUND).await.unwrap().is_empty());
    }
    let mut socket = connect(&proxy).await;
    socket.write_all(b"here").await.unwrap();
    assert_eq!(hear(&mut socket, BOUND).await.unwrap(), b"here");
    proxy.cut_all();
    assert_eq!(hear(&mut socket, BOUND).await.unwrap(), b"");
    assert_eq!(said_again(&proxy).await, b"again");
}

#[tokio::test]
async fn a_dropped_frame_is_lost_alone_and_a_silent_connection_loses_all_that_follows() {
    let proxy = echo().await;
    let mut socket = connect(&proxy).await;
    let dropped = proxy.next(Pattern::REQUEST, Act::Drop);
    socket.write_all(b"lost").await.unwrap();
    dropped.has_caught(1, BOUND).await.unwrap();
    socket.write_all(b"next").await.unwrap();
    assert_eq!(hear(&mut socket, BOUND).await.unwrap(), b"next");
    let silenced = proxy.next(Pattern::REQUEST, Act::Silence);
    socket.write_all(b"first").await.unwrap();
    silenced.has_caught(1, BOUND).await.unwrap();
    socket.write_all(b"second").await.unwrap();
    assert_eq!(hear(&mut socket, QUIET).await, None);
    assert_eq!(said_again(&proxy).await, b"again");
}

#[tokio::test]
async fn every_frame_is_delayed_until_the_trap_is_let_go() {
    let proxy = echo().await;
    let mut socket = connect(&proxy).await;
    let trap = proxy.every(Pattern::REQUEST, Act::Delay(QUIET));
    for round in 1..=2 {
        let start = Instant::now();
        socket.write_all(b"slow").await.unwrap();
        assert_eq!(hear(&mut socket, BOUND).await.unwrap(), b"slow");
        assert!(start.elapsed() >= QUIET);
        assert_eq!(trap.caught(), round);
    }
    drop(trap);
    let caught = proxy.next(Pattern::RESPONSE, Act::Hold);
    let none = caught.has_caught(1, QUIET).await.unwrap_err();
    assert!(none.to_string().contains("0 of 1"), "{none}");
}
