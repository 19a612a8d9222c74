//! The directory keeps the promises of the port, and some of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use bytes::Bytes;
use swarmlog_objects::{self as objects, ObjectError, Objects, Put, conformance::Factory};
use tempfile::TempDir;

struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }
}

impl Factory for Directory {
    async fn open(&self) -> Objects {
        Objects::directory(&self.0.path().join("objects")).unwrap()
    }
}

objects::conformance!(Directory::new());

#[tokio::test]
async fn half_written_files_are_neither_listed_nor_in_the_way() {
    let directory = Directory::new();
    let objects = directory.open().await;
    // What a process leaves behind that is killed while it writes.
    std::fs::create_dir_all(directory.0.path().join("objects/a")).unwrap();
    std::fs::write(directory.0.path().join("objects/a/b#1"), b"hal").unwrap();
    assert_eq!(objects.list("").await, Ok(Vec::new()));
    assert_eq!(objects.put_if_absent("a/b", Bytes::from_static(b"half")).await, Ok(Put::Created));
    assert_eq!(objects.list("").await, Ok(vec!["a/b".to_owned()]));
    assert_eq!(objects.get("a/b").await, Ok(Some(Bytes::from_static(b"half"))));
}

#[tokio::test]
async fn an_object_cannot_be_a_folder_too() {
    let directory = Directory::new();
    let objects = directory.open().await;
    assert_eq!(objects.put_if_absent("a/b", Bytes::new()).await, Ok(Put::Created));
    let above = objects.put_if_absent("a", Bytes::new()).await;
    assert!(matches!(above, Err(ObjectError::Invalid(_))), "{above:?}");
    let below = objects.put_if_absent("a/b/c", Bytes::new()).await;
    assert!(matches!(below, Err(ObjectError::Invalid(_))), "{below:?}");
    assert_eq!(objects.get("a/b/c").await, Ok(None));
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_fatal() {
    let directory = Directory::new();
    let file = directory.0.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let opened = Objects::directory(&file.join("objects"));
    assert!(matches!(opened, Err(ObjectError::Fatal(_))), "{opened:?}");
}
