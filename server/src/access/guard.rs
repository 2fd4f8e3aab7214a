//! The checks before every handler: host, route, origin, visitor, role.

use super::audit::AuditEntry;
use super::origin::is_own;
use super::routes::{Route, allowed, captured, find};
use super::schema::now_us;
use super::secret::{Claims, Hash, cookie_hash};
use super::visitor::{Decision, Object, Visitor};
use super::{Caller, Needs, Over, Role, headers};
use crate::pages::error_page;
use crate::{ApiError, App};
use axum::Router;
use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::header::{
    ALLOW, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN, WWW_AUTHENTICATE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};

/// Maximum length of an error of the framework, in bytes.
const ERROR_BYTES_MAX: usize = 4 << 10;

/// Wraps every route, and the fallback, in the checks.
pub(crate) fn guard(open: Router<App>, app: &App) -> Router<App> {
    open.layer(from_fn_with_state(app.clone(), admit))
}

async fn admit(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let is_data = is_data(head.uri.path());
    let is_page = !is_data && error_page::is_wanted(&head);
    let mut response = match check(&app, &head).await {
        Err(refusal) => *refusal,
        Ok(Admitted {
            visitor,
            role,
            caller,
            row,
        }) => {
            let entry = entry(row, &visitor, &caller, &head.uri);
            head.extensions.insert(visitor.clone());
            head.extensions.insert(RequestRole(role));
            head.extensions.insert(caller);
            let mut response = next.run(Request::from_parts(head, body)).await;
            // for the page of an error
            response.extensions_mut().insert(visitor);
            record(&app, entry, response.status()).await;
            response
        }
    };
    if is_data {
        response = with_json_error(response).await;
    } else if is_page {
        response = error_page::of(response).await;
    }
    headers::add(response.headers_mut());
    response
}

/// Errors of the framework, such as those about a query, are text; here they become JSON.
async fn with_json_error(response: Response) -> Response {
    let status = response.status();
    let is_text = (response.headers().get(CONTENT_TYPE))
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || !(is_text || response.headers().get(CONTENT_TYPE).is_none()) {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), ERROR_BYTES_MAX).await;
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    let reason = status
        .canonical_reason()
        .unwrap_or("refused")
        .to_lowercase();
    let text = if text.is_empty() { reason } else { text };
    ApiError::new(status, text).into_response()
}

/// The visitor's role for the object of a request; an extension of every admitted request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestRole(pub(crate) Option<Role>);

/// A request that passed all checks.
struct Admitted {
    visitor: Visitor,
    /// The visitor's role for the object of the request.
    role: Option<Role>,
    caller: Caller,
    row: &'static Route,
}

async fn check(app: &App, head: &Parts) -> Result<Admitted, Box<Response>> {
    let headers = &head.headers;
    let host = host(headers, &head.uri);
    // whoever looks whether the server is well may call it by any name
    if !is_health(head.uri.path()) && !host.is_some_and(|host| app.access.hosts.allows(host)) {
        let text = "unknown host name; add it with the server's --host option";
        return Err(refusal(StatusCode::MISDIRECTED_REQUEST, text));
    }
    let host = host.unwrap_or_default();
    let row = row(head)?;
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let changes = changes(row.method);
    if changes && !is_own(host, text(ORIGIN.as_str()), text("sec-fetch-site")) {
        let text = "this request comes from a page of another site";
        return Err(refusal(StatusCode::FORBIDDEN, text));
    }
    let caller = Caller::of(&head.extensions, headers, host);
    if row.needs == Needs::Nothing {
        return Ok(Admitted {
            visitor: Visitor::anonymous(),
            role: None,
            caller,
            row,
        });
    }
    let (visitor, role, decision) = decide(app, head, row, &caller).await?;
    match decision {
        Decision::Allowed => Ok(Admitted {
            visitor,
            role,
            caller,
            row,
        }),
        refused => {
            // Not logged: strangers could fill the log and push out other entries.
            let entry =
                entry(row, &visitor, &caller, &head.uri).filter(|_| refused != Decision::SignIn);
            let mut response = refuse(refused, &visitor, row, &head.uri);
            record(app, entry, response.status()).await;
            response.extensions_mut().insert(visitor);
            Err(Box::new(response))
        }
    }
}

/// The single `host` header, or the authority of the request line.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let mut values = headers.get_all(HOST).iter();
    let first = values.next();
    if values.next().is_some() {
        return None;
    }
    let line = uri.authority().map(|authority| authority.as_str());
    match (first, line) {
        (Some(value), None) => value.to_str().ok(),
        // An absolute URL in the request line takes precedence; the header must not contradict it.
        (Some(value), Some(line)) => value.to_str().ok().filter(|value| *value == line),
        (None, line) => line,
    }
}

fn row(head: &Parts) -> Result<&'static Route, Box<Response>> {
    let matched = head.extensions.get::<MatchedPath>();
    let Some(matched) = matched else {
        return Err(refusal(StatusCode::NOT_FOUND, "there is no such page"));
    };
    find(&head.method, matched.as_str()).ok_or_else(|| {
        let text = format!("{} is not allowed for this path", head.method);
        let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, text);
        Box::new(([(ALLOW, allowed(matched.as_str()))], error).into_response())
    })
}

/// Identifies the visitor and decides on the request; does lookups off the async threads.
async fn decide(
    app: &App,
    head: &Parts,
    row: &'static Route,
    caller: &Caller,
) -> Result<(Visitor, Option<Role>, Decision), Box<Response>> {
    let claims = claims(&head.headers);
    let wanted = requested(row, &head.uri);
    let is_local = caller.is_local();
    let owned = app.clone();
    let looked_up = app.blocking(move || {
        let visitor = owned.access.identify(&claims, is_local, now_us())?;
        let object = match wanted {
            RequestedObject::Nothing => Object::Nothing,
            RequestedObject::Project(project) => Object::Project(project),
            RequestedObject::Runs(runs) => {
                let with_project = runs.into_iter().map(|run| {
                    let project = owned.project_of(&run)?;
                    Ok((run, project))
                });
                Object::Runs(with_project.collect::<Result<_, crate::Error>>()?)
            }
        };
        let decision = visitor.decide(row.needs, &object);
        let role = visitor.role_over(&object);
        Ok((visitor, role, decision))
    });
    looked_up
        .await
        .map_err(|error| Box::new(ApiError::from(error).into_response()))
}

/// Whether whoever sent these headers may see a run now; sessions end and tokens are revoked.
pub(crate) async fn sees_run(app: &App, headers: &HeaderMap, caller: &Caller, run: &str) -> bool {
    let (claims, is_local) = (claims(headers), caller.is_local());
    let (owned, run) = (app.clone(), run.to_owned());
    let decided = app.blocking(move || {
        let visitor = owned.access.identify(&claims, is_local, now_us())?;
        let project = owned.project_of(&run)?;
        let object = Object::Runs(vec![(run, project)]);
        Ok(visitor.decide(Needs::Role(Role::Guest, Over::Run), &object))
    });
    decided
        .await
        .is_ok_and(|decision| decision == Decision::Allowed)
}

/// The object a request names, before it is looked up.
enum RequestedObject {
    Nothing,
    Project(String),
    Runs(Vec<String>),
}

fn requested(row: &Route, uri: &Uri) -> RequestedObject {
    let part = |name| captured(row.path, uri.path(), name).unwrap_or_default();
    match row.needs {
        Needs::Role(_, Over::Project) => RequestedObject::Project(part("p")),
        Needs::Role(_, Over::Run) | Needs::Annotate => RequestedObject::Runs(vec![part("id")]),
        Needs::Role(_, Over::Runs) => RequestedObject::Runs(runs_of(uri)),
        _ => RequestedObject::Nothing,
    }
}

/// All runs named by `runs=a,b` parameters of the query.
fn runs_of(uri: &Uri) -> Vec<String> {
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return Vec::new();
    };
    let lists = pairs.into_iter().filter(|(name, _)| name == "runs");
    lists
        .flat_map(|(_, list)| list.split(',').map(str::to_owned).collect::<Vec<_>>())
        .filter(|run| !run.is_empty())
        .collect()
}

pub(crate) fn claims(headers: &HeaderMap) -> Claims {
    let all = |name| headers.get_all(name).iter().map(|value| value.as_bytes());
    Claims::read(all(COOKIE), all(AUTHORIZATION))
}

/// The secret in a cookie that is no claim to be anybody.
pub(super) fn cookie_of(headers: &HeaderMap, name: &str) -> Option<Hash> {
    let cookies = headers.get_all(COOKIE).iter();
    cookie_hash(cookies.map(|value| value.as_bytes()), name)
}

fn changes(method: &str) -> bool {
    method != Method::GET.as_str()
}

fn refusal(status: StatusCode, text: impl Into<String>) -> Box<Response> {
    Box::new(ApiError::new(status, text).into_response())
}

fn refuse(decision: Decision, visitor: &Visitor, row: &Route, uri: &Uri) -> Response {
    let is_page = row.method == "GET" && !is_data(row.path);
    match decision {
        Decision::SignIn if is_page => {
            let next = uri.path_and_query().map_or("/", |path| path.as_str());
            let next: String =
                percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC)
                    .collect();
            Redirect::to(&format!("/sign-in?next={next}")).into_response()
        }
        Decision::SignIn => {
            let text = "sign in first, or send a token with the required permission";
            let text = visitor.expired().unwrap_or(text);
            let error = ApiError::new(StatusCode::UNAUTHORIZED, text);
            ([(WWW_AUTHENTICATE, "Bearer")], error).into_response()
        }
        Decision::Hidden => {
            let text = "no such run or project, or you may not see it";
            *refusal(StatusCode::NOT_FOUND, text)
        }
        Decision::Refused | Decision::Allowed => {
            let text = format!("{} is not allowed to do this", visitor.name());
            *refusal(StatusCode::FORBIDDEN, text)
        }
    }
}

fn is_health(path: &str) -> bool {
    path == "/healthz" || path == "/readyz"
}

/// True for paths of programs, which get JSON, never a page.
pub(crate) fn is_data(path: &str) -> bool {
    ["/api/", "/ingest/", "/metrics", "/healthz", "/readyz"]
        .iter()
        .any(|start| path.starts_with(start))
}

/// The entry for the audit log; reading and ingest leave none.
fn entry(row: &Route, visitor: &Visitor, caller: &Caller, uri: &Uri) -> Option<AuditEntry> {
    // Sign-in writes its own entry, with the account.
    if !changes(row.method) || row.needs == Needs::Ingest || row.path == "/sign-in" {
        return None;
    }
    let action = format!("{} {}", row.method, row.path);
    let mut entry = AuditEntry::now(visitor.name(), caller.address_text(), &action);
    entry.object = uri.path().to_owned();
    Some(entry)
}

async fn record(app: &App, entry: Option<AuditEntry>, status: StatusCode) {
    let Some(mut entry) = entry else {
        return;
    };
    entry.outcome = status.as_u16().to_string();
    let owned = app.clone();
    // The action is already done; a failure to log it must not make it look undone.
    let _ = app
        .blocking(move || owned.access.accounts.record(&entry))
        .await;
}
