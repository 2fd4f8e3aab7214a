//! Every route of the server and what it requires. Routes that are not in this table are refused.

use super::role::Role::{Admin, Guest, Manager};
use super::role::{Needs, Over};
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};

/// One row of [`ROUTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// `GET` covers `HEAD` too.
    pub method: &'static str,
    /// In axum's syntax, with `{id}` for a run and `{p}` for a project.
    pub path: &'static str,
    /// What it requires of the visitor.
    pub needs: Needs,
}

const fn route(method: &'static str, path: &'static str, needs: Needs) -> Route {
    Route {
        method,
        path,
        needs,
    }
}

/// A role in the project of the run `{id}`.
const fn run(role: super::Role) -> Needs {
    Needs::Role(role, Over::Run)
}

/// A role in the project `{p}`.
const fn project(role: super::Role) -> Needs {
    Needs::Role(role, Over::Project)
}

/// An admin of all projects.
const SERVER: Needs = Needs::Role(Admin, Over::Server);
/// A guest of any project; the handler omits what the visitor may not see.
const SOME: Needs = Needs::Role(Guest, Over::Some);
/// A guest of the projects of all runs in the query.
const RUNS: Needs = Needs::Role(Guest, Over::Runs);

/// All routes of the server.
pub const ROUTES: &[Route] = &[
    // batches of load nodes
    route("GET", wire::HELLO_PATH, Needs::Ingest),
    route("POST", "/ingest/v1/batch", Needs::Ingest),
    // nodes of a run and their rendezvous
    route("POST", wire::rendezvous::NODE_PATH, Needs::Ingest),
    // whether the server is well
    route("GET", "/healthz", Needs::Nothing),
    route("GET", "/readyz", Needs::Nothing),
    // pages
    route("GET", "/assets/{version}/{*path}", Needs::Nothing),
    route("GET", "/", SOME),
    route("GET", "/report/list", SOME),
    route("GET", "/report/compare", RUNS),
    route("GET", "/report/{id}", run(Guest)),
    route("GET", "/r/{id}", run(Guest)),
    // data
    route("GET", "/metrics", SOME),
    route("GET", "/api/openapi.json", Needs::Nothing),
    route("GET", "/api/v1/visitor", Needs::Anybody),
    route("GET", "/api/v1/projects", SOME),
    route("GET", "/api/v1/projects/{p}/trend", project(Guest)),
    route("PUT", "/api/v1/projects/{p}/baseline", project(Manager)),
    route("PUT", "/api/v1/projects/{p}/retention", project(Admin)),
    route("GET", "/api/v1/projects/{p}/webhooks", project(Manager)),
    route("POST", "/api/v1/projects/{p}/webhooks", project(Manager)),
    route(
        "DELETE",
        "/api/v1/projects/{p}/webhooks/{webhook}",
        project(Manager),
    ),
    route(
        "POST",
        "/api/v1/projects/{p}/webhooks/{webhook}/test",
        project(Manager),
    ),
    route("GET", "/api/v1/runs", SOME),
    route("GET", "/api/v1/compare", RUNS),
    route("GET", "/api/v1/runs/{id}", run(Guest)),
    route("PATCH", "/api/v1/runs/{id}", run(Manager)),
    route("DELETE", "/api/v1/runs/{id}", run(Admin)),
    route("GET", "/api/v1/runs/{id}/series", run(Guest)),
    route("GET", "/api/v1/runs/{id}/rows", run(Guest)),
    route("GET", "/api/v1/runs/{id}/names", run(Guest)),
    route("GET", "/api/v1/runs/{id}/window", run(Guest)),
    route("GET", "/api/v1/runs/{id}/distribution", run(Guest)),
    route("GET", "/api/v1/runs/{id}/heatmap", run(Guest)),
    route("GET", "/api/v1/runs/{id}/failures", run(Guest)),
    route("GET", "/api/v1/runs/{id}/events", run(Guest)),
    route("GET", "/api/v1/runs/{id}/checks", run(Guest)),
    route("GET", "/api/v1/runs/{id}/live", run(Guest)),
    route("GET", "/api/v1/runs/{id}/export/{format}", run(Guest)),
    route("GET", "/api/v1/runs/{id}/nodes", run(Guest)),
    route("POST", "/api/v1/runs/{id}/control", Needs::Annotate),
    // what people say of a run
    route("GET", "/api/v1/runs/{id}/annotations", run(Guest)),
    route("POST", "/api/v1/runs/{id}/annotations", Needs::Annotate),
    route(
        "PUT",
        "/api/v1/runs/{id}/annotations/{annotation}",
        Needs::Annotate,
    ),
    route(
        "DELETE",
        "/api/v1/runs/{id}/annotations/{annotation}",
        Needs::Annotate,
    ),
    route("GET", "/api/v1/runs/{id}/comments", run(Guest)),
    // share links of a run
    route("GET", "/api/v1/runs/{id}/links", run(Admin)),
    route("POST", "/api/v1/runs/{id}/links", run(Admin)),
    route("DELETE", "/api/v1/runs/{id}/links/{link}", run(Admin)),
    route("GET", "/share/{secret}", Needs::Anybody),
    // the visitor's own account
    route("GET", "/sign-in", Needs::Anybody),
    route("POST", "/sign-in", Needs::Anybody),
    route("GET", "/oidc/start", Needs::Anybody),
    route("GET", "/oidc/callback", Needs::Anybody),
    route("POST", "/sign-out", Needs::Account),
    route("GET", "/account", Needs::Account),
    route("POST", "/account/password", Needs::Account),
    route("POST", "/account/sign-out-everywhere", Needs::Account),
    route("POST", "/account/sign-out-others", Needs::Account),
    route("POST", "/account/sessions/{session}/end", Needs::Account),
    // webhooks of a project
    route("GET", "/projects/{p}/webhooks", project(Manager)),
    route("POST", "/projects/{p}/webhooks", project(Manager)),
    route(
        "POST",
        "/projects/{p}/webhooks/{webhook}/test",
        project(Manager),
    ),
    route(
        "POST",
        "/projects/{p}/webhooks/{webhook}/remove",
        project(Manager),
    ),
    // other accounts
    route("GET", "/admin", SERVER),
    route("POST", "/admin/accounts", SERVER),
    route("POST", "/admin/accounts/{name}/role", SERVER),
    route("POST", "/admin/accounts/{name}/password", SERVER),
    route("POST", "/admin/accounts/{name}/sign-out", SERVER),
    route(
        "POST",
        "/admin/accounts/{name}/sessions/{session}/end",
        SERVER,
    ),
    route("POST", "/admin/accounts/{name}/remove", SERVER),
    route("POST", "/admin/tokens", SERVER),
    route("POST", "/admin/tokens/{token}/revoke", SERVER),
    route("POST", "/admin/links/{link}/revoke", SERVER),
];

/// The table row for a method and a path as matched by axum.
pub(crate) fn find(method: &Method, path: &str) -> Option<&'static Route> {
    let method = match method.as_str() {
        "HEAD" => "GET",
        other => other,
    };
    let mut rows = ROUTES.iter();
    rows.find(|row| row.path == path && row.method == method)
}

/// Adds a route that is in [`ROUTES`]; the server adds routes in no other way.
pub(crate) trait Guarded<S> {
    /// Adds `handler` for the `method` and `path` of a table row.
    ///
    /// # Panics
    ///
    /// When they are not in the table; any start of the server would panic, so no test would pass.
    fn guarded<H, T>(self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static;
}

impl<S: Clone + Send + Sync + 'static> Guarded<S> for Router<S> {
    fn guarded<H, T>(self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        assert!(
            find(&method, path).is_some(),
            "{method} {path} is not in access::ROUTES"
        );
        let filter = MethodFilter::try_from(method).expect("a method of the table");
        self.route(path, on(filter, handler))
    }
}

/// The methods that the table has for a path as matched by axum, as `Allow` lists them.
pub(crate) fn allowed(path: &str) -> String {
    let rows = ROUTES.iter().filter(|row| row.path == path);
    let methods = rows.map(|row| match row.method {
        "GET" => "GET, HEAD",
        other => other,
    });
    methods.collect::<Vec<_>>().join(", ")
}

/// The value of `{name}` in a path matched by `pattern`, decoded like axum does.
pub(crate) fn captured(pattern: &str, path: &str, name: &str) -> Option<String> {
    let placeholder = format!("{{{name}}}");
    let at = pattern.split('/').position(|part| part == placeholder)?;
    let raw = path.split('/').nth(at)?;
    let decoded = percent_encoding::percent_decode_str(raw).decode_utf8();
    decoded.ok().map(|text| text.into_owned())
}
