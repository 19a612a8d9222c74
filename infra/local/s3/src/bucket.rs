//! Buckets as folders and objects as files.

use futures::StreamExt;
use s3s::{
    S3, S3Error, S3Request, S3Response, S3Result,
    dto::{
        DeleteObjectInput, DeleteObjectOutput, ETag, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
        HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput,
        StreamingBlob, Timestamp,
    },
    s3_error,
};
use std::{
    fs::Metadata,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::{fs, io::AsyncWriteExt};

/// Folder of the objects that are being written; no bucket can have such a name.
const UNFINISHED: &str = ".unfinished";

/// Most names in one answer to a list.
const PAGE: i32 = 1000;

/// All buckets.
#[derive(Debug)]
pub struct Buckets {
    root: PathBuf,
    writes: AtomicU64,
}

impl Buckets {
    /// The buckets in a folder. What a killed server left unfinished is removed.
    pub fn open(root: &Path) -> io::Result<Self> {
        let unfinished = root.join(UNFINISHED);
        match std::fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => std::fs::create_dir_all(&unfinished)?,
        }
        Ok(Self { root: root.to_owned(), writes: AtomicU64::new(0) })
    }

    async fn bucket(&self, name: &str) -> S3Result<PathBuf> {
        let folder = self.root.join(name);
        if name.starts_with('.') || !fs::try_exists(&folder).await.map_err(internal)? {
            return Err(s3_error!(NoSuchBucket));
        }
        Ok(folder)
    }

    async fn file(&self, bucket: &str, key: &str) -> S3Result<PathBuf> {
        let mut file = self.bucket(bucket).await?;
        for segment in key.split('/') {
            if matches!(segment, "" | "." | "..") || segment.contains('\0') {
                return Err(s3_error!(InvalidArgument, "a key has segments between single slashes, none of them . or .."));
            }
            file.push(segment);
        }
        Ok(file)
    }

    /// An object's file and what is known of it.
    async fn find(&self, bucket: &str, key: &str) -> S3Result<(PathBuf, Metadata)> {
        let file = self.file(bucket, key).await?;
        match fs::metadata(&file).await {
            Ok(metadata) if metadata.is_file() => Ok((file, metadata)),
            Ok(_) => Err(s3_error!(NoSuchKey)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Err(s3_error!(NoSuchKey)),
            Err(error) => Err(internal(error)),
        }
    }

    /// Gives the finished file `from` its name. A link is made only where nothing is: of several, one wins.
    async fn publish(from: &Path, to: &Path, if_absent: bool) -> S3Result<()> {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).await.map_err(internal)?;
        }
        if !if_absent {
            return fs::rename(from, to).await.map_err(internal);
        }
        let linked = fs::hard_link(from, to).await;
        fs::remove_file(from).await.map_err(internal)?;
        linked.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => s3_error!(PreconditionFailed),
            _ => internal(error),
        })
    }
}

#[async_trait::async_trait]
impl S3 for Buckets {
    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.bucket(&request.input.bucket).await?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let PutObjectInput { bucket, key, body, if_match, if_none_match, .. } = request.input;
        if if_match.is_some() || if_none_match.as_ref().is_some_and(|condition| !condition.is_any()) {
            return Err(s3_error!(NotImplemented, "the only condition is If-None-Match: *"));
        }
        let file = self.file(&bucket, &key).await?;
        let unfinished = self.root.join(UNFINISHED).join(self.writes.fetch_add(1, Ordering::Relaxed).to_string());
        let mut writer = fs::File::create(&unfinished).await.map_err(internal)?;
        let mut body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
        while let Some(part) = body.next().await {
            let part = part.map_err(|error| S3Error::with_source(s3s::S3ErrorCode::IncompleteBody, error))?;
            writer.write_all(&part).await.map_err(internal)?;
        }
        writer.sync_all().await.map_err(internal)?;
        let metadata = writer.metadata().await.map_err(internal)?;
        Self::publish(&unfinished, &file, if_none_match.is_some()).await?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(etag(&metadata)), ..PutObjectOutput::default() }))
    }

    /// An object that is not there is as good as removed.
    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let file = self.file(&request.input.bucket, &request.input.key).await?;
        match fs::remove_file(file).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(internal(error)),
            _ => Ok(S3Response::new(DeleteObjectOutput::default())),
        }
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let GetObjectInput { bucket, key, range, .. } = request.input;
        if range.is_some() {
            return Err(s3_error!(NotImplemented, "an object is read whole"));
        }
        let (file, metadata) = self.find(&bucket, &key).await?;
        let bytes = fs::read(&file).await.map_err(internal)?;
        Ok(S3Response::new(GetObjectOutput {
            content_length: i64::try_from(bytes.len()).ok(),
            body: Some(StreamingBlob::from(s3s::Body::from(bytes))),
            last_modified: Some(modified(&metadata)?),
            e_tag: Some(etag(&metadata)),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let (_, metadata) = self.find(&request.input.bucket, &request.input.key).await?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(metadata.len()).ok(),
            last_modified: Some(modified(&metadata)?),
            e_tag: Some(etag(&metadata)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let ListObjectsV2Input { bucket, prefix, delimiter, max_keys, continuation_token, start_after, .. } = request.input;
        if delimiter.is_some() {
            return Err(s3_error!(NotImplemented, "a list goes all the way down"));
        }
        let folder = self.bucket(&bucket).await?;
        let (begin, after) = (prefix.clone().unwrap_or_default(), continuation_token.or(start_after));
        let mut found = tokio::task::spawn_blocking(move || walk(&folder)).await.map_err(internal)?.map_err(internal)?;
        found.retain(|(key, _)| key.starts_with(&begin) && after.as_ref().is_none_or(|after| key > after));
        found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let page = max_keys.unwrap_or(PAGE).clamp(1, PAGE);
        let more = found.len() > usize::try_from(page).unwrap_or_default();
        found.truncate(usize::try_from(page).unwrap_or_default());
        let next = found.last().filter(|_| more).map(|(key, _)| key.clone());
        let object = |(key, metadata): (String, Metadata)| -> S3Result<Object> {
            Ok(Object {
                key: Some(key),
                size: i64::try_from(metadata.len()).ok(),
                last_modified: Some(modified(&metadata)?),
                e_tag: Some(etag(&metadata)),
                ..Object::default()
            })
        };
        let contents = found.into_iter().map(object).collect::<S3Result<Vec<_>>>()?;
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(bucket),
            prefix,
            key_count: i32::try_from(contents.len()).ok(),
            max_keys: Some(page),
            is_truncated: Some(more),
            next_continuation_token: next,
            contents: Some(contents),
            ..ListObjectsV2Output::default()
        }))
    }
}

/// Key and metadata of every file of a bucket.
fn walk(bucket: &Path) -> io::Result<Vec<(String, Metadata)>> {
    let (mut found, mut folders) = (Vec::new(), vec![bucket.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (path, metadata) = (entry.path(), entry.metadata()?);
            if metadata.is_dir() {
                folders.push(path);
            } else if let Some(key) = path.strip_prefix(bucket).ok().and_then(Path::to_str) {
                found.push((key.to_owned(), metadata));
            }
        }
    }
    Ok(found)
}

/// Every write makes a new file.
fn etag(metadata: &Metadata) -> ETag {
    ETag::Strong(format!("{:x}-{:x}-{:x}", metadata.ino(), metadata.mtime_nsec(), metadata.len()))
}

fn modified(metadata: &Metadata) -> S3Result<Timestamp> {
    metadata.modified().map(Timestamp::from).map_err(internal)
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> S3Error {
    S3Error::with_source(s3s::S3ErrorCode::InternalError, Box::new(error))
}
