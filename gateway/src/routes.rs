//! The one table of routes. The router, `/openapi.json`, the metrics' labels and the access rules are made from it.
//!
//! Every concern contributes its rows. A row names a method and a path, who may call it, how large and slow its body
//! may be, how it is documented, and its handler. What every request has in common happens here, once: admission,
//! metrics, and the error answer.

use crate::{Gateway, auth::Access, call::Call, codes, headers, meters::RouteMeters, openapi::Operation, problem::Problem};
use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, RawPathParams, Request},
    http::{HeaderValue, Method, Response, header},
    routing::{MethodFilter, on},
};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// The answer to a request.
pub(crate) type Answer = Result<Response<Body>, Problem>;
/// How an error answer is written, given the path and the trace of its request.
pub(crate) type ErrorForm = fn(Problem, &str, &str) -> Response<Body>;
/// What answers a request.
type Handler = Box<dyn Fn(Call) -> BoxFuture<'static, Answer> + Send + Sync>;

/// How large and slow a body may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyRule {
    /// Most bytes.
    pub bytes: usize,
    /// Longest time.
    pub time: Duration,
}

/// A row of the table.
pub(crate) struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, with parameters in braces.
    pub path: String,
    /// Who may call it.
    pub access: Access,
    /// How large and slow a body may be.
    pub body: BodyRule,
    /// How it is documented.
    pub operation: Operation,
    errors: ErrorForm,
    handler: Handler,
}

impl Route {
    /// A row whose handler is the function `handler`.
    pub fn new<F, A>(method: Method, path: impl Into<String>, access: Access, operation: Operation, handler: F) -> Self
    where
        F: Fn(Call) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        // Routes without a body never read one.
        let body = BodyRule { bytes: 0, time: Duration::ZERO };
        let handler: Handler = Box::new(move |call| Box::pin(handler(call)));
        Self { method, path: path.into(), access, body, operation, errors: Problem::into_response, handler }
    }

    /// Takes a body of so many bytes, within so much time.
    pub fn takes(mut self, bytes: usize, time: Duration) -> Self {
        self.body = BodyRule { bytes, time };
        self
    }

    /// Writes its error answers in another form than that of RFC 9457.
    pub fn errors(mut self, form: ErrorForm) -> Self {
        self.errors = form;
        self
    }
}

/// The router of a table.
pub(crate) fn router(gateway: &Arc<Gateway>, table: Vec<Route>) -> Router {
    let unmatched = Arc::new(RouteMeters::new(&Method::GET, "unmatched"));
    let mut router = Router::new();
    for route in table {
        let filter = MethodFilter::try_from(route.method.clone()).unwrap_or(MethodFilter::GET);
        let path = route.path.clone();
        let measured = Arc::new(RouteMeters::new(&route.method, &path));
        let (gateway, route) = (gateway.clone(), Arc::new(route));
        router = router
            .route(&path, on(filter, move |request: Request| handle(gateway.clone(), route.clone(), measured.clone(), request)));
    }
    let wrong_method = unmatched.clone();
    router
        .fallback(move |request: Request| {
            refuse(
                unmatched.clone(),
                request,
                Problem::new(codes::NOT_FOUND, "there is no such resource; /openapi.json lists all"),
            )
        })
        .method_not_allowed_fallback(move |request: Request| {
            let detail = format!("{} does not fit this resource; Allow lists the methods that do", request.method());
            refuse(wrong_method.clone(), request, Problem::new(codes::METHOD_NOT_ALLOWED, detail))
        })
}

async fn handle(gateway: Arc<Gateway>, route: Arc<Route>, measured: Arc<RouteMeters>, request: Request) -> Response<Body> {
    let start = Instant::now();
    let (mut parts, body) = request.into_parts();
    let mut said = Said::of(&parts);
    let answer = match gateway.guard.admit(&parts.headers, route.access) {
        Err(problem) => Err(problem),
        Ok(principal) => match RawPathParams::from_request_parts(&mut parts, &()).await {
            Err(_) => Err(Problem::new(codes::INVALID_ID, "the path is not UTF-8")),
            Ok(path) => {
                let call = Call { gateway, route: route.clone(), principal, parts, path, body: Mutex::new(body), memory: None };
                (route.handler)(call).await
            }
        },
    };
    let response = answer.unwrap_or_else(|problem| said.error(problem, &route.path, route.errors));
    measured.answered(response.status(), start.elapsed());
    said.sign(response)
}

async fn refuse(measured: Arc<RouteMeters>, request: Request, problem: Problem) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut said = Said::of(&parts);
    let response = said.error(problem, "unmatched", Problem::into_response);
    measured.answered(response.status(), Duration::ZERO);
    said.sign(response)
}

/// What of a request its answer repeats.
struct Said {
    instance: axum::http::Uri,
    trace_id: Option<String>,
    request_id: Option<HeaderValue>,
}

/// `X-Request-Id`: the caller's, or one of ours on errors.
const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");

impl Said {
    fn of(parts: &axum::http::request::Parts) -> Self {
        Self {
            instance: parts.uri.clone(),
            trace_id: headers::trace_id(&parts.headers).map(str::to_owned),
            request_id: parts.headers.get(REQUEST_ID).filter(|id| (1..=128).contains(&id.len())).cloned(),
        }
    }

    /// An error answer; the log says why where the server is to blame.
    fn error(&mut self, problem: Problem, route: &str, form: ErrorForm) -> Response<Body> {
        let trace_id = self.trace_id.take().unwrap_or_else(|| Uuid::new_v4().simple().to_string());
        let (status, code) = (problem.status().as_u16(), problem.code());
        if status == 500 {
            tracing::error!(
                http.route = route,
                http.status = status,
                problem.code = code,
                trace_id,
                detail = problem.detail(),
                "a request failed"
            );
        } else {
            tracing::debug!(http.route = route, http.status = status, problem.code = code, trace_id, "a request was refused");
        }
        if self.request_id.is_none() {
            self.request_id = HeaderValue::from_str(&trace_id).ok();
        }
        form(problem, self.instance.path(), &trace_id)
    }

    fn sign(self, mut response: Response<Body>) -> Response<Body> {
        if let Some(id) = self.request_id {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}
