//! `GET /v1/{collection}` and `GET /v1/{collection}/{id}`: lists and single rows, for every collection alike.
//!
//! A list takes filters, an order, a limit and a cursor, all from an allow-list; anything else is refused by name. No
//! text of a request becomes part of a statement. Both honour `X-Consistency-Token` and answer one.

use crate::{
    auth::Access,
    call::Call,
    clock, codes,
    collections::{self, Collection},
    commands::{answer_json, etag},
    consistency, cursor, headers,
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    render::RowJson,
    routes::{Answer, Route},
};
use axum::http::{HeaderValue, Method, header};
use schemas::row::{Column, Kind, Value};
use serde::Serialize;
use std::fmt::Write;
use stores::{Direction, Filter, Operator, Query};

/// Rows of a list unless the caller says otherwise.
const DEFAULT_LIMIT: usize = 50;
/// Rows of a list at most.
pub(crate) const MAX_LIMIT: usize = 1000;

#[derive(Serialize)]
struct ListJson<'a> {
    items: Vec<RowJson<'a>>,
    next_cursor: Option<String>,
}

/// The rows of the table.
pub(crate) fn routes() -> Vec<Route> {
    collections::all().iter().flat_map(|collection| [Some(list_route(collection)), item_route(collection)]).flatten().collect()
}

fn list_route(collection: &'static Collection) -> Route {
    let name = collection.name();
    let orders = collection.orders.iter().flat_map(|column| [column.name.to_owned(), format!("-{}", column.name)]).collect();
    let mut operation = Operation::new(format!("list_{name}"), "queries", format!("Lists {name}."))
        .header("X-Consistency-Token", "What the answer has to show at least.", shapes::text())
        .query("order", "What to order by; a minus sign turns it around.", shapes::one_of(orders))
        .query("limit", "Rows of a page.", shapes::integer(1, MAX_LIMIT, DEFAULT_LIMIT))
        .query("cursor", "next_cursor of the page before.", shapes::text())
        .answer(200, "A page.", "application/json", shapes::page(shapes::row(collection.table.columns)))
        .problems(&[400, 401, 410, 503]);
    for column in &collection.filters {
        operation = operation.query(column.name, "Only rows with this value.", shapes::column(column));
    }
    Route::new(Method::GET, format!("/v1/{name}"), Access::Caller, operation, move |call| list(call, collection))
}

/// A collection whose key is one column has single rows; the status of a command has a route of its own.
fn item_route(collection: &'static Collection) -> Option<Route> {
    if collection.key().len() != 1 || collection.name() == "commands" {
        return None;
    }
    let name = collection.name();
    let operation = Operation::new(format!("get_{name}"), "queries", format!("Reads one of {name}."))
        .header("X-Consistency-Token", "What the answer has to show at least.", shapes::text())
        .answer(200, "The row.", "application/json", shapes::row(collection.table.columns))
        .problems(&[400, 401, 404, 410, 503]);
    let path = format!("/v1/{name}/{{id}}");
    Some(Route::new(Method::GET, path, Access::Caller, operation, move |call| item(call, collection)))
}

async fn item(call: Call, collection: &'static Collection) -> Answer {
    let id = call.name("id")?;
    call.no_query()?;
    let key = collection.key().first().and_then(|column| value(column, id));
    let key = [key.ok_or_else(|| Problem::new(codes::INVALID_ID, "the id has the wrong form for this collection"))?];
    let token = settled(&call, collection).await?;
    let absent = || Problem::new(codes::NOT_FOUND, format!("there is no such row in {}", collection.name()));
    let row = call.gateway.store.get(&collection.table, call.principal.tenant, &key).await?.ok_or_else(absent)?;
    let columns = collection.table.columns;
    let mut response = answer_json(&RowJson { columns, values: &row });
    if collection.versioned
        && let Some(seq) = crate::render::number(columns, &row, "seq")
    {
        response.headers_mut().insert(header::ETAG, etag(seq));
    }
    response.headers_mut().extend(token.map(|token| (headers::CONSISTENCY_TOKEN, token)));
    Ok(response)
}

async fn list(call: Call, collection: &'static Collection) -> Answer {
    let asked = Asked::read(collection, &call.query()?)?;
    let list = asked.description(&call);
    let order: Vec<_> = asked.order.into_iter().collect();
    // The values of a cursor: those of the order's columns, then those of the whole key.
    let ordered: Vec<Column> = order
        .iter()
        .filter_map(|(name, _)| collection.table.columns.iter().find(|column| column.name == *name))
        .chain(collection.key())
        .copied()
        .collect();
    let after = asked.cursor.map(|text| cursor::read(&list, &ordered, &text)).transpose()?;
    let token = settled(&call, collection).await?;
    let limit = asked.limit;
    let query = Query {
        table: collection.table,
        tenant: call.principal.tenant.to_owned(),
        filters: asked.filters,
        order,
        after,
        // One more than asked for tells whether there is a next page.
        limit: limit + 1,
    };
    let mut rows = call.gateway.store.query(&query).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let columns = collection.table.columns;
    let place = |row: &Vec<Value>| {
        let value = |column: &Column| crate::render::column(columns, row, column.name).cloned().unwrap_or(Value::Null);
        ordered.iter().map(value).collect::<Vec<_>>()
    };
    let next_cursor = rows.last().filter(|_| more).map(|last| cursor::write(&list, &place(last)));
    let items = rows.iter().map(|values| RowJson { columns, values }).collect();
    let mut response = answer_json(&ListJson { items, next_cursor });
    response.headers_mut().extend(token.map(|token| (headers::CONSISTENCY_TOKEN, token)));
    Ok(response)
}

/// Waits for what the caller has to see; answers what the rows will show at least.
async fn settled(call: &Call, collection: &Collection) -> Result<Option<HeaderValue>, Problem> {
    let asked = call.token()?;
    if let Some(token) = &asked {
        consistency::settle(&call.gateway, collection.projection, token).await?;
    }
    Ok(call.gateway.watermarks.token(&call.gateway, collection.projection, asked.as_ref()).await)
}

/// What a list was asked for.
struct Asked {
    filters: Vec<Filter>,
    order: Option<(&'static str, Direction)>,
    limit: usize,
    cursor: Option<String>,
    collection: &'static Collection,
}

impl Asked {
    fn read(collection: &'static Collection, pairs: &[(String, String)]) -> Result<Self, Problem> {
        let mut asked = Self { filters: Vec::new(), order: None, limit: DEFAULT_LIMIT, cursor: None, collection };
        for (name, text) in pairs {
            match name.as_str() {
                "limit" => asked.limit = limit(text)?,
                "order" => asked.order = Some(order(collection, text)?),
                "cursor" => asked.cursor = Some(text.clone()),
                other => asked.filters.push(filter(collection, other, text)?),
            }
        }
        Ok(asked)
    }

    /// Everything that a cursor belongs to.
    fn description(&self, call: &Call) -> String {
        let mut filters: Vec<_> = self.filters.iter().map(|filter| format!("{}={:?}", filter.column, filter.value)).collect();
        filters.sort_unstable();
        let mut text = format!("{}\0{}\0{}", call.gateway.log.timeline().0, call.principal.tenant, self.collection.name());
        // Writing to a string cannot fail.
        let _ = write!(text, "\0{:?}\0{:?}", self.order, filters);
        text
    }
}

/// How many rows, from a parameter.
pub(crate) fn limit(text: &str) -> Result<usize, Problem> {
    text.parse()
        .ok()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| Problem::new(codes::INVALID_PARAMETER, format!("limit must be a number from 1 to {MAX_LIMIT}")))
}

fn order(collection: &Collection, text: &str) -> Result<(&'static str, Direction), Problem> {
    let (name, direction) = match text.strip_prefix('-') {
        Some(name) => (name, Direction::Descending),
        None => (text, Direction::Ascending),
    };
    let column = collection.orders.iter().find(|column| column.name == name).ok_or_else(|| {
        let known: Vec<_> = collection.orders.iter().map(|column| format!("{0} or -{0}", column.name)).collect();
        Problem::new(codes::INVALID_PARAMETER, format!("order must be {}", known.join(" or ")))
    })?;
    Ok((column.name, direction))
}

fn filter(collection: &Collection, name: &str, text: &str) -> Result<Filter, Problem> {
    let column = collection.filters.iter().find(|column| column.name == name).ok_or_else(|| {
        let known: Vec<_> = collection.filters.iter().map(|column| column.name).collect();
        let known = known.join(", ");
        Problem::new(codes::INVALID_PARAMETER, format!("there is no such parameter; allowed are limit, order, cursor, {known}"))
    })?;
    let value = value(column, text).ok_or_else(|| {
        Problem::new(codes::INVALID_PARAMETER, format!("the value of {} must be {}", column.name, form(column.kind)))
    })?;
    Ok(Filter { column: column.name, operator: Operator::Equal, value })
}

/// A value of a column, from its text.
fn value(column: &Column, text: &str) -> Option<Value> {
    match column.kind {
        Kind::Text => Some(Value::Text(text.to_owned())),
        Kind::I64 => text.parse().ok().map(Value::I64),
        Kind::Bool => text.parse().ok().map(Value::Bool),
        Kind::Time => clock::micros(text).map(Value::Time),
        Kind::F64 | Kind::Json | Kind::Bytes => None,
    }
}

fn form(kind: Kind) -> &'static str {
    match kind {
        Kind::I64 => "a whole number",
        Kind::Bool => "true or false",
        Kind::Time => "a moment like 2026-11-21T02:00:00Z",
        _ => "text",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn jobs() -> &'static Collection {
        collections::find("jobs").unwrap()
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Asked, Problem> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Asked::read(jobs(), &pairs)
    }

    #[test]
    fn allowed_parameters_become_a_query() {
        let asked = read(&[("queue", "gpu"), ("status", "queued"), ("order", "-submitted_at"), ("limit", "1000")]).unwrap();
        assert_eq!(asked.order, Some(("submitted_at", Direction::Descending)));
        assert_eq!(asked.limit, 1000);
        assert_eq!(asked.filters[0].value, Value::Text("gpu".to_owned()));
        assert_eq!(asked.filters.len(), 2);
        assert_eq!(read(&[]).ok().unwrap().limit, DEFAULT_LIMIT);
    }

    #[test]
    fn everything_else_is_refused_and_says_what_is_allowed() {
        for (pair, hint) in [
            (("limit", "0"), "1000"),
            (("limit", "1000000000"), "1000"),
            (("limit", "x"), "1000"),
            (("order", "config; DROP TABLE jobs"), "submitted_at"),
            (("order", "--submitted_at"), "submitted_at"),
            (("config", "{}"), "queue"),
            (("tenant", "other"), "queue"),
            (("queue' OR 1=1 --", "x"), "queue"),
        ] {
            let problem = read(&[pair]).err().unwrap();
            assert_eq!(problem.status(), 400, "{pair:?}");
            assert!(problem.detail().contains(hint), "{pair:?}: {}", problem.detail());
        }
    }
}
