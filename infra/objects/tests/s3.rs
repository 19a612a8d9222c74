//! A bucket keeps the promises of the port, and every failure of its server has a name.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use bytes::Bytes;
use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use swarmlog_objects::{self as objects, ObjectError, Objects, Put, S3Config, conformance::Factory};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// An S3 server with one bucket, in this process.
struct Bucket {
    config: S3Config,
    folder: TempDir,
}

impl Bucket {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("bucket")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = config(listener.local_addr().unwrap());
        let (root, keys) = (folder.path().to_owned(), config.clone());
        tokio::spawn(async move { local_s3::serve(&root, listener, &keys.access_key, &keys.secret_key).await });
        Self { config, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Factory for Bucket {
    async fn open(&self) -> Objects {
        Objects::s3(self.config.clone()).unwrap()
    }
}

fn config(address: SocketAddr) -> S3Config {
    S3Config {
        endpoint: format!("http://{address}"),
        bucket: "bucket".to_owned(),
        region: "us-east-1".to_owned(),
        access_key: "key".to_owned(),
        secret_key: "very-secret".to_owned(),
        allow_http: true,
    }
}

objects::conformance!(Bucket::new().await);

#[tokio::test]
async fn a_list_goes_on_where_an_answer_ends() {
    let bucket = Bucket::new().await;
    let names: Vec<_> = (0..2500).map(|n| format!("many/{n:05}")).collect();
    std::fs::create_dir(bucket.path().join("bucket/many")).unwrap();
    for name in &names {
        std::fs::write(bucket.path().join("bucket").join(name), b"").unwrap();
    }
    assert_eq!(bucket.open().await.list("many").await, Ok(names));
}

async fn fatal(config: S3Config, code: &str) {
    let objects = Objects::s3(config).unwrap();
    let put = objects.put_if_absent("a/b", Bytes::from_static(b"x")).await.map(drop);
    let get = objects.get("a/b").await.map(drop);
    let list = objects.list("a").await.map(drop);
    for answer in [put, get, list] {
        let Err(ObjectError::Fatal(message)) = answer else { panic!("{answer:?}") };
        assert!(message.contains(code) && !message.contains("very-secret"), "{message}");
    }
}

#[tokio::test]
async fn wrong_keys_and_a_missing_bucket_are_fatal_and_no_absence() {
    let bucket = Bucket::new().await;
    fatal(S3Config { secret_key: "another".to_owned(), ..bucket.config.clone() }, "SignatureDoesNotMatch").await;
    fatal(S3Config { access_key: "another".to_owned(), ..bucket.config.clone() }, "403").await;
    fatal(S3Config { bucket: "nowhere".to_owned(), ..bucket.config.clone() }, "NoSuchBucket").await;
}

#[tokio::test]
async fn http_has_to_be_allowed_and_secrets_are_not_shown() {
    let config = S3Config { allow_http: false, ..config(SocketAddr::from(([127, 0, 0, 1], 9))) };
    assert!(!format!("{config:?}").contains("very-secret"));
    let opened = Objects::s3(config.clone());
    assert!(matches!(opened, Err(ObjectError::Fatal(_))), "{opened:?}");
    let opened = Objects::s3(S3Config { endpoint: "s3.example".to_owned(), ..config });
    assert!(matches!(opened, Err(ObjectError::Fatal(_))), "{opened:?}");
}

#[tokio::test]
async fn a_server_that_is_away_is_transient() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let objects = Objects::s3(config(address)).unwrap();
    let get = objects.get("a").await;
    assert!(matches!(get, Err(ObjectError::Transient(_))), "{get:?}");
}

/// What a scripted server does with a request.
#[derive(Clone, Copy)]
enum Act {
    /// Answers this status, with this code in the body.
    Answer(u16, &'static str),
    /// Goes away without a word.
    Leave,
    /// Says nothing, for ever.
    Hang,
    /// Begins an answer and says no more.
    Stall,
}

/// A server that does with each request in turn what it is told; the last act is repeated. Answers what it counted.
async fn scripted(acts: &'static [Act]) -> (Objects, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let objects = Objects::s3(config(listener.local_addr().unwrap())).unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") && socket.read_buf(&mut head).await.unwrap() > 0 {}
            let act = acts[counted.fetch_add(1, Ordering::SeqCst).min(acts.len() - 1)];
            match act {
                Act::Answer(status, code) => {
                    let body = format!("<Error><Code>{code}</Code></Error>");
                    let head =
                        format!("HTTP/1.1 {status} x\r\nconnection: close\r\netag: \"1\"\r\ncontent-length: {}", body.len());
                    socket.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
                }
                Act::Leave => drop(socket),
                Act::Hang => silent.push(socket),
                Act::Stall => {
                    let head = "HTTP/1.1 200 x\r\nlast-modified: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-length: 9\r\n\r\nhalf";
                    socket.write_all(head.as_bytes()).await.unwrap();
                    silent.push(socket);
                }
            }
        }
    });
    (objects, requests)
}

async fn put(acts: &'static [Act]) -> (Result<Put, ObjectError>, usize) {
    let (objects, requests) = scripted(acts).await;
    (objects.put_if_absent("a", Bytes::new()).await, requests.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_put_is_repeated_while_another_is_under_way_and_after_a_failure_of_the_server() {
    const CONFLICT: Act = Act::Answer(409, "ConditionalRequestConflict");
    assert_eq!(put(&[CONFLICT, Act::Answer(412, "PreconditionFailed")]).await, (Ok(Put::Existed), 2));
    assert_eq!(put(&[CONFLICT, Act::Answer(200, "")]).await, (Ok(Put::Created), 2));
    assert_eq!(put(&[Act::Answer(503, "SlowDown"), Act::Answer(200, "")]).await, (Ok(Put::Created), 2));
    let (never, requests) = put(&[CONFLICT]).await;
    assert!(matches!(never, Err(ObjectError::Transient(_))), "{never:?}");
    assert_eq!(requests, 4);
}

#[tokio::test]
async fn a_put_whose_outcome_is_unknown_is_not_repeated() {
    let (lost, requests) = put(&[Act::Leave, Act::Answer(412, "PreconditionFailed")]).await;
    assert!(matches!(lost, Err(ObjectError::Transient(_))), "{lost:?}");
    assert_eq!(requests, 1, "the second would say that somebody else made the object");
}

#[tokio::test]
async fn a_refusal_is_fatal_at_once() {
    for (status, code) in [(400, "AuthorizationHeaderMalformed"), (301, "PermanentRedirect"), (404, ""), (403, "AccessDenied")] {
        // `Act` is static, so each script is leaked by the test.
        let (refused, requests) = put(Box::leak(Box::new([Act::Answer(status, code)]))).await;
        assert!(matches!(refused, Err(ObjectError::Fatal(_))), "{status}: {refused:?}");
        assert_eq!(requests, 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_transient_in_the_end() {
    for acts in [&[Act::Hang], &[Act::Stall]] {
        let (objects, _) = scripted(acts).await;
        let get = objects.get("a").await;
        assert!(matches!(get, Err(ObjectError::Transient(_))), "{get:?}");
    }
}
