//! Given records, then these rows.

use super::{History, Refolded, RowKey, SetAside, assert_any_split};
use crate::{
    AnyProjection, Facts, FactsOf, Projection, ProjectionOf, Row,
    row::{RowError, Value},
};
use std::marker::PhantomData;

/// A specification of a read model. `given` folds the history in every way it can be cut, so the law of splits is
/// checked by each specification for free.
///
/// ```text
/// let spec = ProjectionSpec::<Jobs>::given(History::new().event(submitted()));
/// assert_eq!(spec.row("job-1".to_owned()).map(|job| job.status), Some("queued".to_owned()));
/// ```
#[derive(Debug)]
pub struct ProjectionSpec<P> {
    refolded: Refolded,
    tenant: String,
    projection: PhantomData<fn() -> P>,
}

impl<P: Projection> ProjectionSpec<P> {
    /// What happened.
    #[track_caller]
    pub fn given(history: History) -> Self {
        Self::fold(&ProjectionOf::<P>::new(), &history)
    }

    /// The row called `key`.
    #[track_caller]
    pub fn row(&self, key: <P::Row as Row>::Key) -> Option<P::Row> {
        self.typed(&key)
    }

    /// All rows of the tenant, ordered by key.
    #[track_caller]
    pub fn rows(&self) -> Vec<P::Row> {
        self.all()
    }
}

impl<P> ProjectionSpec<P> {
    /// What happened, for a read model of facts; read them with [`fact_rows`](Self::fact_rows).
    #[track_caller]
    pub fn given_facts(history: History) -> Self
    where
        P: Facts,
    {
        Self::fold(&FactsOf::<P>::new(), &history)
    }

    /// All facts of the tenant, ordered by key.
    #[track_caller]
    pub fn fact_rows(&self) -> Vec<P::Row>
    where
        P: Facts,
    {
        self.all()
    }

    /// Looks at the rows of another tenant than `default`.
    pub fn of_tenant(self, tenant: &str) -> Self {
        Self { tenant: tenant.into(), ..self }
    }

    /// The records that were set aside.
    pub fn parked(&self) -> &[SetAside] {
        &self.refolded.parked
    }

    #[track_caller]
    fn fold(projection: &dyn AnyProjection, history: &History) -> Self {
        let refolded = assert_any_split(projection, history.entries());
        Self { refolded, tenant: "default".into(), projection: PhantomData }
    }

    #[track_caller]
    fn typed<R: Row>(&self, key: &R::Key) -> Option<R> {
        let tenant = Value::Text(self.tenant.clone());
        let key = RowKey(std::iter::once(tenant).chain(R::key_values(key)).collect());
        self.refolded.rows.get(&key).map(|row| read(row))
    }

    #[track_caller]
    fn all<R: Row>(&self) -> Vec<R> {
        let tenant = Value::Text(self.tenant.clone());
        self.refolded.rows.values().filter(|row| row.first() == Some(&tenant)).map(|row| read(row)).collect()
    }
}

#[track_caller]
fn read<R: Row>(row: &[Value]) -> R {
    let values: Vec<Value> = row.iter().skip(1).cloned().collect();
    match R::from_values(values) {
        Ok(row) => row,
        Err(RowError { table, column }) => panic!("a row of {table} does not survive storage: column {column}"),
    }
}
