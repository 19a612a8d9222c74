//! Whether a store keeps its promise: tried with an object that is removed again.

use crate::{ObjectError, Objects, Put, name};
use bytes::Bytes;
use object_store::ObjectStoreExt;
use uuid::Uuid;

impl Objects {
    /// Puts an object under a new name twice and removes it. Fatal if the store takes the second for the first: writers
    /// would overwrite each other's objects.
    pub async fn probe(&self) -> Result<(), ObjectError> {
        let probe = format!("probe/{}", Uuid::now_v7());
        let first = self.put_if_absent(&probe, Bytes::from_static(b"first")).await?;
        let second = self.put_if_absent(&probe, Bytes::from_static(b"second")).await;
        let found = self.get(&probe).await;
        self.store.delete(&name::name(&probe)?).await.map_err(|error| ObjectError::of("remove", &probe, &error))?;
        match (first, second?, found?) {
            (Put::Created, Put::Existed, Some(bytes)) if *bytes == *b"first" => Ok(()),
            _ => Err(ObjectError::Fatal(format!(
                "a second put of {probe:?} was not refused: the store does not know If-None-Match, use one that does"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_probe_leaves_nothing() {
        let objects = Objects::over(Arc::new(InMemory::new()));
        assert_eq!(objects.probe().await, Ok(()));
        assert_eq!(objects.list("").await, Ok(vec![]));
    }
}
