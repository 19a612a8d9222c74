//! The store: one handle for whatever holds the objects.

use crate::{ObjectError, name};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, local::LocalFileSystem};
use std::{fs::File, path::Path, sync::Arc};

/// What became of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is now there with these bytes.
    Created,
    /// The object was there already, with whatever bytes; nothing was changed.
    Existed,
}

/// Objects by name. Clones are cheap and share the store.
#[derive(Debug, Clone)]
pub struct Objects {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The directory, if that is what holds the objects.
    root: Option<Arc<Path>>,
}

impl Objects {
    /// Objects in a directory, which is made if it is not there. An object is a file under its own name; a file that
    /// a killed process left half-written has a name with `#` and is never listed or read.
    pub fn directory(path: &Path) -> Result<Self, ObjectError> {
        std::fs::create_dir_all(path).map_err(|error| ObjectError::io("make", path, &error))?;
        let root = path.canonicalize().map_err(|error| ObjectError::io("find", path, &error))?;
        let store = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| ObjectError::of("open", &root.to_string_lossy(), &error))?
            // A put syncs the file, the folder and every folder it had to make before it answers.
            .with_fsync(true);
        Ok(Self { store: Arc::new(store), root: Some(root.into()) })
    }

    /// Objects in any other store that can create an object only if it is absent, and is durable when it answers.
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, root: None }
    }

    /// Creates an object unless one of that name is there. Either answer means that the object is durable.
    pub async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Put, ObjectError> {
        let path = name::name(name)?;
        let options = PutOptions::from(PutMode::Create);
        match self.store.put_opts(&path, PutPayload::from_bytes(bytes), options).await {
            Ok(_) => Ok(Put::Created),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                self.settle(name, &path).await?;
                Ok(Put::Existed)
            }
            Err(error) => Err(ObjectError::of("put", name, &error)),
        }
    }

    /// The bytes of an object, if there is one of that name.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, ObjectError> {
        let path = name::name(name)?;
        let answer = match self.store.get(&path).await {
            Ok(answer) => answer,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => {
                return match ObjectError::of("get", name, &error) {
                    // The name is sound; it lies below another object, where nothing can be.
                    ObjectError::Invalid(_) => Ok(None),
                    error => Err(error),
                };
            }
        };
        answer.bytes().await.map(Some).map_err(|error| ObjectError::of("get", name, &error))
    }

    /// The names of all objects under a prefix of whole segments, sorted bytewise; `""` means all, and a slash at the
    /// end changes nothing.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, ObjectError> {
        let path = name::prefix(prefix)?;
        let mut names: Vec<String> = self
            .store
            .list(path.as_ref())
            .map_ok(|object| object.location.to_string())
            .try_collect()
            .await
            .map_err(|error| ObjectError::of("list", prefix, &error))?;
        // What lies in a directory under a name that is none of ours is not an object.
        names.retain(|name| name::fault(name).is_none());
        names.sort_unstable();
        Ok(names)
    }

    /// Makes sure that an object which somebody else created is as durable as one of our own: its creator may have
    /// been killed before it synced the folders. Its bytes were synced before it got its name.
    async fn settle(&self, name: &str, path: &object_store::path::Path) -> Result<(), ObjectError> {
        let Some(root) = self.root.clone() else { return Ok(()) };
        if let Err(object_store::Error::NotFound { .. }) = self.store.head(path).await {
            return Err(ObjectError::Invalid(format!("{name:?}: other objects lie under this name, choose another")));
        }
        let file = root.join(name);
        let synced = tokio::task::spawn_blocking(move || sync_folders(&root, &file)).await;
        synced.unwrap_or_else(|error| Err(ObjectError::Transient(format!("cannot sync the folder of {name:?}: {error}"))))
    }
}

/// Syncs every folder from that of `file` up to `root`.
fn sync_folders(root: &Path, file: &Path) -> Result<(), ObjectError> {
    for folder in file.ancestors().skip(1).take_while(|folder| folder.starts_with(root)) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(|error| ObjectError::io("sync", folder, &error))?;
    }
    Ok(())
}
