//! The erased form: what a host sees of a projection. Bulk is the host's; types end here.

use super::{Facts, Grain, Projection, Unfit, decoded::Decoded};
use crate::{
    Entry, Recorded, Row, SchemaId, Stream, Subset,
    row::{Table, Value},
};
use std::{
    collections::{HashMap, HashSet, hash_map},
    marker::PhantomData,
};

/// A record that was set aside, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Its place in the batch.
    pub index: usize,
    /// Why.
    pub reason: String,
}

/// What a batch does to a table. Every row and key starts with the tenant.
#[derive(Debug, Default, PartialEq)]
pub struct Folded {
    /// Rows to insert or replace, by key.
    pub upserts: Vec<Vec<Value>>,
    /// Keys of rows to delete.
    pub deletes: Vec<Vec<Value>>,
    /// Records set aside, in order.
    pub parked: Vec<Parked>,
    /// How many records were taken in.
    pub applied: usize,
    /// How many records this read model does not read.
    pub ignored: usize,
}

/// A projection without its types. A host opens a batch, loads the rows of [`Slice::keys`] and folds.
pub trait AnyProjection: Send + Sync {
    /// Its name, also that of its table.
    fn name(&self) -> &'static str;
    /// Its version.
    fn version(&self) -> u32;
    /// What a row is fed by.
    fn grain(&self) -> Grain;
    /// The table of its rows.
    fn table(&self) -> Table;
    /// Whether its rows are facts, which never change.
    fn is_facts(&self) -> bool;
    /// The kinds of topic it reads.
    fn streams(&self) -> &'static [Stream];
    /// Whether it reads records of the type `name`.
    fn reads(&self, name: &str) -> bool;
    /// Decodes a batch in log order. Records of an aggregate (`tenant/type/id`) in `parked` are parked at once.
    fn open(&self, batch: &[Entry], parked: &HashSet<String>) -> Box<dyn Slice>;
}

/// A decoded batch that waits for its rows.
pub trait Slice: Send {
    /// The first record whose schema is newer than this program. If there is one, the slice is of no use: cut the
    /// batch before that record and open it anew.
    fn newer(&self) -> Option<(usize, SchemaId)> {
        None
    }
    /// Keys of the rows to load, each starting with the tenant; none for facts.
    fn keys(&self) -> &[Vec<Value>];
    /// Folds over the loaded rows: `loaded[n]` belongs to `keys()[n]`.
    fn fold(self: Box<Self>, loaded: Vec<Option<Vec<Value>>>) -> Folded;
}

/// The erased form of a [`Projection`].
pub struct ProjectionOf<P>(PhantomData<fn() -> P>);

impl<P> ProjectionOf<P> {
    /// The erased form.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P> Default for ProjectionOf<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Projection> AnyProjection for ProjectionOf<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }
    fn version(&self) -> u32 {
        P::VERSION
    }
    fn grain(&self) -> Grain {
        P::GRAIN
    }
    fn table(&self) -> Table {
        P::Row::TABLE
    }
    fn is_facts(&self) -> bool {
        false
    }
    fn streams(&self) -> &'static [Stream] {
        P::Event::STREAMS
    }
    fn reads(&self, name: &str) -> bool {
        P::Event::reads(name)
    }
    fn open(&self, batch: &[Entry], parked: &HashSet<String>) -> Box<dyn Slice> {
        let decoded = Decoded::read(batch, parked, P::read);
        let mut load = Vec::new();
        let mut touched = Vec::with_capacity(decoded.events.len());
        let mut ends = Vec::with_capacity(decoded.events.len());
        let mut places: HashMap<(&str, <P::Row as Row>::Key), usize> = HashMap::new();
        let mut keys = Vec::new();
        for (_, event) in &decoded.events {
            P::keys(event, &mut keys);
            for key in keys.drain(..) {
                let tenant = event.envelope.tenant.as_str();
                let place = match places.entry((tenant, key)) {
                    hash_map::Entry::Occupied(known) => *known.get(),
                    hash_map::Entry::Vacant(new) => {
                        load.push(with_tenant(tenant, P::Row::key_values(&new.key().1)));
                        *new.insert(load.len() - 1)
                    }
                };
                touched.push(place);
            }
            ends.push(touched.len());
        }
        let mut rows: Vec<_> = places.into_iter().map(|((_, key), place)| (place, key)).collect();
        rows.sort_unstable_by_key(|(place, _)| *place);
        let rows = rows.into_iter().map(|(_, key)| key).collect();
        Box::new(Sliced::<P> { decoded, rows, touched, ends, load })
    }
}

struct Sliced<P: Projection> {
    decoded: Decoded<P::Event>,
    /// Key of every row touched.
    rows: Vec<<P::Row as Row>::Key>,
    /// The places of the rows of all events, one event behind the other.
    touched: Vec<usize>,
    /// For every event, where its places end.
    ends: Vec<usize>,
    load: Vec<Vec<Value>>,
}

impl<P: Projection> Slice for Sliced<P> {
    fn newer(&self) -> Option<(usize, SchemaId)> {
        self.decoded.newer
    }

    fn keys(&self) -> &[Vec<Value>] {
        &self.load
    }

    fn fold(self: Box<Self>, loaded: Vec<Option<Vec<Value>>>) -> Folded {
        let Self { mut decoded, rows: keys, touched, ends, load } = *self;
        let existed: Vec<bool> = loaded.iter().map(Option::is_some).collect();
        // A stored row that no longer fits its type poisons the events that touch it, not the whole table.
        let mut rows: Vec<Result<Option<P::Row>, String>> = loaded
            .into_iter()
            .map(|row| {
                row.map(|values| P::Row::from_values(values.into_iter().skip(1).collect())).transpose().map_err(|e| e.to_string())
            })
            .collect();
        let mut dirty = vec![false; rows.len()];
        let mut start = 0;
        for ((index, event), end) in std::mem::take(&mut decoded.events).iter().zip(ends) {
            let places = &touched[start..end];
            start = end;
            if decoded.follows_parked(*index, event) {
                continue;
            }
            match fold_one::<P>(&keys, &mut rows, places, event) {
                Ok(()) => {
                    decoded.folded.applied += 1;
                    places.iter().for_each(|place| dirty[*place] = true);
                }
                Err(reason) => decoded.set_aside(*index, event.envelope.key(), reason),
            }
        }
        let mut folded = decoded.finish();
        for (((row, key), dirty), existed) in rows.into_iter().zip(load).zip(dirty).zip(existed) {
            match row {
                Ok(Some(row)) if dirty => {
                    let tenant = key.into_iter().next().unwrap_or(Value::Null);
                    folded.upserts.push(std::iter::once(tenant).chain(row.into_values()).collect());
                }
                Ok(None) if dirty && existed => folded.deletes.push(key),
                _ => {}
            }
        }
        folded
    }
}

/// Folds one event into all its rows, or into none.
fn fold_one<P: Projection>(
    keys: &[<P::Row as Row>::Key],
    rows: &mut [Result<Option<P::Row>, String>],
    places: &[usize],
    event: &Recorded<P::Event>,
) -> Result<(), String> {
    // A fold that fails leaves its row as it was, so a single row needs no copy to go back to.
    if let [place] = *places {
        let row = rows[place].as_mut().map_err(|reason| reason.clone())?;
        return P::fold(&keys[place], row, event).map_err(|Unfit(reason)| reason);
    }
    let mut after = Vec::with_capacity(places.len());
    for &place in places {
        let mut row = rows[place].clone()?;
        P::fold(&keys[place], &mut row, event).map_err(|Unfit(reason)| reason)?;
        after.push(row);
    }
    for (&place, row) in places.iter().zip(after) {
        rows[place] = Ok(row);
    }
    Ok(())
}

/// The erased form of [`Facts`].
pub struct FactsOf<F>(PhantomData<fn() -> F>);

impl<F> FactsOf<F> {
    /// The erased form.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<F> Default for FactsOf<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Facts> AnyProjection for FactsOf<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }
    fn version(&self) -> u32 {
        F::VERSION
    }
    fn grain(&self) -> Grain {
        Grain::Aggregate
    }
    fn table(&self) -> Table {
        F::Row::TABLE
    }
    fn is_facts(&self) -> bool {
        true
    }
    fn streams(&self) -> &'static [Stream] {
        F::Event::STREAMS
    }
    fn reads(&self, name: &str) -> bool {
        F::Event::reads(name)
    }
    fn open(&self, batch: &[Entry], parked: &HashSet<String>) -> Box<dyn Slice> {
        let mut decoded = Decoded::<F::Event>::read(batch, parked, F::read);
        decoded.folded.upserts.reserve(decoded.events.len());
        let mut rows = Vec::new();
        for (index, event) in std::mem::take(&mut decoded.events) {
            rows.clear();
            if decoded.follows_parked(index, &event) {
                continue;
            }
            match F::rows(&event, &mut rows) {
                Ok(()) => {
                    decoded.folded.applied += 1;
                    let tenant = event.envelope.tenant.as_str();
                    decoded.folded.upserts.extend(rows.drain(..).map(|row: F::Row| with_tenant(tenant, row.into_values())));
                }
                Err(Unfit(reason)) => decoded.set_aside(index, event.envelope.key(), reason),
            }
        }
        Box::new(Collected { newer: decoded.newer, folded: decoded.finish() })
    }
}

struct Collected {
    newer: Option<(usize, SchemaId)>,
    folded: Folded,
}

impl Slice for Collected {
    fn newer(&self) -> Option<(usize, SchemaId)> {
        self.newer
    }
    fn keys(&self) -> &[Vec<Value>] {
        &[]
    }
    fn fold(self: Box<Self>, _: Vec<Option<Vec<Value>>>) -> Folded {
        self.folded
    }
}

fn with_tenant(tenant: &str, values: Vec<Value>) -> Vec<Value> {
    std::iter::once(Value::Text(tenant.to_owned())).chain(values).collect()
}
