//! Every route against every kind of visitor, as one table; and what is in no table.

use crate::client::{Reply, Result, Served, send};
use crate::nodes::start;
use mistress_server as server;
use server::access::{EVERY_PROJECT, Needs, Over, ROUTES, Route, TokenKind};
use std::path::Path;

const RUN: &str = "0190-shop";

/// What becomes of the requests of: nobody, a share link, an ingest token, a read token of the
/// project, its guest, its manager, its admin, an admin of another project, an admin of all.
/// `A` allowed, `s` sign in first, `h` as if it did not exist, `r` refused.
const EXPECTED: [(&str, &str, &str); 73] = [
    ("GET", "/ingest/v1/hello", "ssArrrrrr"),
    ("POST", "/ingest/v1/batch", "ssArrrrrr"),
    ("POST", "/ingest/v1/node", "ssArrrrrr"),
    ("GET", "/healthz", "AAAAAAAAA"),
    ("GET", "/readyz", "AAAAAAAAA"),
    ("GET", "/assets/{version}/{*path}", "AAAAAAAAA"),
    ("GET", "/", "ssrAAAAAA"),
    ("GET", "/report/list", "ssrAAAAAA"),
    ("GET", "/report/compare", "sArAAAAhA"),
    ("GET", "/report/{id}", "sArAAAAhA"),
    ("GET", "/r/{id}", "sArAAAAhA"),
    ("GET", "/metrics", "ssrAAAAAA"),
    ("GET", "/api/openapi.json", "AAAAAAAAA"),
    ("GET", "/api/v1/visitor", "AAAAAAAAA"),
    ("GET", "/api/v1/projects", "ssrAAAAAA"),
    ("GET", "/api/v1/projects/{p}/trend", "ssrAAAAhA"),
    ("PUT", "/api/v1/projects/{p}/baseline", "ssrrrAAhA"),
    ("PUT", "/api/v1/projects/{p}/retention", "ssrrrrAhA"),
    ("GET", "/api/v1/projects/{p}/webhooks", "ssrrrAAhA"),
    ("POST", "/api/v1/projects/{p}/webhooks", "ssrrrAAhA"),
    (
        "DELETE",
        "/api/v1/projects/{p}/webhooks/{webhook}",
        "ssrrrAAhA",
    ),
    (
        "POST",
        "/api/v1/projects/{p}/webhooks/{webhook}/test",
        "ssrrrAAhA",
    ),
    ("GET", "/api/v1/runs", "ssrAAAAAA"),
    ("GET", "/api/v1/compare", "sArAAAAhA"),
    ("GET", "/api/v1/runs/{id}", "sArAAAAhA"),
    ("PATCH", "/api/v1/runs/{id}", "ssrrrAAhA"),
    ("DELETE", "/api/v1/runs/{id}", "ssrrrrAhA"),
    ("GET", "/api/v1/runs/{id}/series", "sArAAAAhA"),
    ("GET", "/api/v1/runs/{id}/rows", "sArAAAAhA"),
    ("GET", "/api/v1/runs/{id}/names", "sArAAAAhA"),
    ("GET", "/api/v1/runs/{id}/window", "sArAAAAhA"),
    ("GET", "/api/v1/runs/{id}/distribution", "sArAAAAhA"),
    ("GET", "/api/v1/runs/{id}/heatmap", "sArAAAAhA"),
    ("GET", "/api/v1/runs/{id}/failures", "sArAAAAhA"),
    ("GET", "/api/v1/runs/{id}/events", "sArAAAAhA"),
    ("GET", "/api/v1/runs/{id}/checks", "sArAAAAhA"),
    ("GET", "/api/v1/runs/{id}/live", "sArAAAAhA"),
    ("GET", "/api/v1/runs/{id}/export/{format}", "sArAAAAhA"),
    ("GET", "/api/v1/runs/{id}/nodes", "sArAAAAhA"),
    ("POST", "/api/v1/runs/{id}/control", "ssArrAAhA"),
    ("GET", "/api/v1/runs/{id}/annotations", "sArAAAAhA"),
    ("POST", "/api/v1/runs/{id}/annotations", "ssArrAAhA"),
    (
        "PUT",
        "/api/v1/runs/{id}/annotations/{annotation}",
        "ssArrAAhA",
    ),
    (
        "DELETE",
        "/api/v1/runs/{id}/annotations/{annotation}",
        "ssArrAAhA",
    ),
    ("GET", "/api/v1/runs/{id}/comments", "srrAAAAhA"),
    ("GET", "/api/v1/runs/{id}/links", "ssrrrrAhA"),
    ("POST", "/api/v1/runs/{id}/links", "ssrrrrAhA"),
    ("DELETE", "/api/v1/runs/{id}/links/{link}", "ssrrrrAhA"),
    ("GET", "/share/{secret}", "AAAAAAAAA"),
    ("GET", "/sign-in", "AAAAAAAAA"),
    ("POST", "/sign-in", "AAAAAAAAA"),
    ("GET", "/oidc/start", "AAAAAAAAA"),
    ("GET", "/oidc/callback", "AAAAAAAAA"),
    ("POST", "/sign-out", "ssrrAAAAA"),
    ("GET", "/account", "ssrrAAAAA"),
    ("POST", "/account/password", "ssrrAAAAA"),
    ("POST", "/account/sign-out-everywhere", "ssrrAAAAA"),
    ("POST", "/account/sign-out-others", "ssrrAAAAA"),
    ("POST", "/account/sessions/{session}/end", "ssrrAAAAA"),
    ("GET", "/projects/{p}/webhooks", "ssrrrAAhA"),
    ("POST", "/projects/{p}/webhooks", "ssrrrAAhA"),
    ("POST", "/projects/{p}/webhooks/{webhook}/test", "ssrrrAAhA"),
    (
        "POST",
        "/projects/{p}/webhooks/{webhook}/remove",
        "ssrrrAAhA",
    ),
    ("GET", "/admin", "ssrrrrrrA"),
    ("POST", "/admin/accounts", "ssrrrrrrA"),
    ("POST", "/admin/accounts/{name}/role", "ssrrrrrrA"),
    ("POST", "/admin/accounts/{name}/password", "ssrrrrrrA"),
    ("POST", "/admin/accounts/{name}/sign-out", "ssrrrrrrA"),
    (
        "POST",
        "/admin/accounts/{name}/sessions/{session}/end",
        "ssrrrrrrA",
    ),
    ("POST", "/admin/accounts/{name}/remove", "ssrrrrrrA"),
    ("POST", "/admin/tokens", "ssrrrrrrA"),
    ("POST", "/admin/tokens/{token}/revoke", "ssrrrrrrA"),
    ("POST", "/admin/links/{link}/revoke", "ssrrrrrrA"),
];

/// A kind of visitor, by the header that says so.
type Visitor = (&'static str, String);

const ACCOUNTS: [&str; 5] = ["guest", "manager", "admin", "stranger", "root"];

fn accounts(served: &Served) -> Result<Vec<Visitor>> {
    let cookies = ACCOUNTS
        .iter()
        .map(|name| Ok(("cookie", served.sign_in(name)?)));
    cookies.collect()
}

/// All but nobody, in the order of the table.
fn visitors(served: &Served) -> Result<Vec<Visitor>> {
    let link = format!("/api/v1/runs/{RUN}/links");
    let root = served.sign_in("root")?;
    let headers = [
        ("cookie", root.as_str()),
        ("content-type", "application/json"),
    ];
    let made: serde_json::Value =
        serde_json::from_slice(&send(served.addr(), "POST", &link, &headers, b"{}")?.body)?;
    let path = made["path"].as_str().ok_or("no path of the link")?;
    let opened = send(served.addr(), "GET", path, &[], b"")?;
    assert_eq!(opened.header("location"), Some("/r/0190%2Dshop"));
    let token = |kind, project| -> Result<Visitor> {
        let token = served
            .accounts
            .add_token(kind, "ci", project, "root", None)?;
        Ok(("authorization", format!("Bearer {token}")))
    };
    let mut visitors = vec![
        ("cookie", opened.cookie().ok_or("no cookie of the link")?),
        token(TokenKind::Ingest, EVERY_PROJECT)?,
        token(TokenKind::Read, "shop")?,
    ];
    visitors.extend(accounts(served)?);
    Ok(visitors)
}

fn path(route: &Route, run: &str) -> String {
    let query = match route.needs {
        Needs::Role(_, Over::Runs) => format!("?runs={run}"),
        _ => String::new(),
    };
    let path = route.path.replace("{id}", run).replace("{p}", "shop");
    let path = path.replace("{link}", "99").replace("{token}", "99");
    let path = path.replace("{annotation}", "99");
    let path = path.replace("{webhook}", "99").replace("{session}", "99");
    let path = path
        .replace("{name}", "x")
        .replace("{secret}", "x")
        .replace("{format}", "csv");
    path.replace("{version}/{*path}", "0/app.css") + &query
}

/// One letter of the table; `n` where nothing handles the route at all, `!` where what handles it
/// broke.
fn letter(reply: &Reply) -> char {
    let text = reply.text();
    let location = reply.header("location").unwrap_or_default();
    match reply.status {
        303 if location.starts_with("/sign-in?next=") => 's',
        401 if text.contains("sign in first") => 's',
        404 if text.contains("you may not see it") => 'h',
        404 if text.contains("no such page") => 'n',
        403 if text.contains("is not allowed to do this") => 'r',
        500.. => '!',
        _ => 'A',
    }
}

#[test]
fn every_route_against_every_visitor() -> Result {
    let served = Served::with_accounts()?;
    assert_eq!(served.deliver(start(), RUN)?.status, 200);
    let table: Vec<_> = EXPECTED
        .iter()
        .map(|&(method, path, _)| (method, path))
        .collect();
    let routes: Vec<_> = ROUTES
        .iter()
        .map(|route| (route.method, route.path))
        .collect();
    assert_eq!(
        table, routes,
        "the table of this test is not that of the server"
    );
    let mut visitors = visitors(&served)?;
    let mut wrong = Vec::new();
    for (route, (_, _, expected)) in ROUTES.iter().zip(EXPECTED) {
        let mut letters = String::new();
        let ends = route.path.contains("sign-out") || route.path == "/account/password";
        for place in 0..=visitors.len() {
            let mut run = RUN.to_owned();
            if route.method == "DELETE" && route.path.ends_with("{id}") {
                run = format!("gone-{place}");
                assert_eq!(served.deliver(start(), &run)?.status, 200);
            }
            let header = place.checked_sub(1).map(|at| &visitors[at]);
            let headers: Vec<_> = header
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let reply = send(
                served.addr(),
                route.method,
                &path(route, &run),
                &headers,
                b"",
            )?;
            letters.push(letter(&reply));
        }
        if letters != expected {
            wrong.push(format!(
                "{} {}: {letters}, not {expected}",
                route.method, route.path
            ));
        }
        if ends {
            visitors.truncate(3);
            visitors.extend(accounts(&served)?);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn what_is_in_no_table_is_refused_to_the_admin_too() -> Result {
    let served = Served::with_accounts()?;
    let root = served.sign_in("root")?;
    let rows = [
        ("GET", "/nothing"),
        ("GET", "/admin/"),
        ("GET", "//admin"),
        ("GET", "/report/../admin"),
        ("GET", "/ADMIN"),
        ("PUT", "/admin"),
        ("POST", "/report/list"),
        ("OPTIONS", "/api/v1/runs"),
        ("TRACE", "/api/v1/runs"),
        ("DELETE", "/api/v1/runs"),
        ("GET", "/ingest/v1/batch"),
        ("GET", "/assets/../meta.sqlite"),
    ];
    for (method, path) in rows {
        let reply = send(served.addr(), method, path, &[("cookie", &root)], b"")?;
        assert!(
            matches!(reply.status, 404 | 405),
            "{method} {path}: {}",
            reply.status
        );
    }
    Ok(())
}

#[test]
fn routes_are_added_through_the_table_only() -> Result {
    let mut files = 0;
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            files += 1;
            let is_table = path.ends_with("access/routes.rs");
            for call in [
                ".route(",
                ".route_service(",
                ".nest(",
                ".nest_service(",
                ".fallback",
            ] {
                assert!(
                    is_table || !text.contains(call),
                    "{}: {call}",
                    path.display()
                );
            }
        }
    }
    assert!(files > 30, "{files} files read");
    Ok(())
}

#[test]
fn lists_hold_the_visitors_projects_only() -> Result {
    let served = Served::with_accounts()?;
    for (project, id) in [("shop", RUN), ("bank", "0190-bank")] {
        let mut start = start();
        start.project = project.to_owned();
        assert_eq!(served.deliver(start, id)?.status, 200);
    }
    let root = served.sign_in("root")?;
    let guest = served.sign_in("guest")?;
    for path in [
        "/api/v1/runs",
        "/api/v1/projects",
        "/api/v1/runs?project=bank",
        "/metrics",
    ] {
        let of = |cookie: &str| send(served.addr(), "GET", path, &[("cookie", cookie)], b"");
        assert!(!of(&guest)?.text().contains("bank"), "{path}");
        let all = of(&root)?;
        assert!(
            all.text().contains("bank") || letter(&all) == 'n',
            "{path}: {}",
            all.text()
        );
    }
    let mixed = format!("/report/compare?runs={RUN},0190-bank");
    let reply = send(served.addr(), "GET", &mixed, &[("cookie", &guest)], b"")?;
    assert_eq!(letter(&reply), 'h');
    Ok(())
}

#[test]
fn a_token_of_a_project_delivers_runs_of_that_project_only() -> Result {
    let served = Served::with_accounts()?;
    let token = served
        .accounts
        .add_token(TokenKind::Ingest, "ci", "shop", "root", None)?;
    let deliver = |project: &str, id: &str| -> Result<u16> {
        let mut start = start();
        start.project = project.to_owned();
        Ok(crate::client::deliver(served.addr(), &token, start, id)?.status)
    };
    assert_eq!((deliver("shop", "a")?, deliver("bank", "b")?), (200, 403));
    // A run of another project stays out of reach whatever the batch says.
    let mut other = start();
    other.project = "bank".to_owned();
    assert_eq!(served.deliver(other, "c")?.status, 200);
    assert_eq!(deliver("shop", "c")?, 403);
    Ok(())
}
