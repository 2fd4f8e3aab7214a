//! Signing in and out, hosts, origins, headers, first start.

use crate::client::{PASSWORD, Reply, Result, Served, send, sign_in};
use mistress_server as server;
use server::access::{Accounts, EVERY_PROJECT, Role, TokenKind};
use std::net::{Ipv4Addr, SocketAddr};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[test]
fn others_are_not_served_until_an_admin_exists() -> Result {
    let dir = tempfile::tempdir()?;
    let bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let start = || server::start(server::Options::new(bind, dir.path()));
    let error = start().map(drop).expect_err("no admin exists");
    assert!(matches!(error, server::Error::Refused(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("mistress serve --add-admin NAME"),
        "{error}"
    );
    Accounts::open(dir.path())?.add("ann", PASSWORD, Role::Admin, EVERY_PROJECT)?;
    start()?.stop();
    Ok(())
}

#[test]
fn whoever_is_on_this_machine_is_admin_until_there_is_one() -> Result {
    let served = Served::open()?;
    let addr = served.addr();
    assert_eq!(send(addr, "GET", "/admin", &[], b"")?.status, 200);
    // Through a proxy, or under a name from elsewhere, it is not this machine.
    for header in [("x-forwarded-for", "10.0.0.9"), ("via", "1.1 proxy")] {
        let reply = send(addr, "GET", "/admin", &[header], b"")?;
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, Some("/sign-in?next=%2Fadmin"))
        );
    }
    let guest = b"name=bob&password=correct+horse&role=guest&project=*";
    let reply = send(addr, "POST", "/admin/accounts", &[FORM], guest)?;
    assert!(
        reply.status == 400 && reply.text().contains("must be a server admin"),
        "{}",
        reply.text()
    );
    let admin = b"name=ann&password=correct+horse&role=admin&project=*";
    let cross = [
        FORM,
        ("origin", "http://evil.net"),
        ("sec-fetch-site", "cross-site"),
    ];
    assert_eq!(
        send(addr, "POST", "/admin/accounts", &cross, admin)?.status,
        403
    );
    assert_eq!(
        send(addr, "POST", "/admin/accounts", &[FORM], admin)?.status,
        303
    );
    assert_eq!(send(addr, "GET", "/admin", &[], b"")?.status, 303);
    assert_eq!(send(addr, "GET", "/api/v1/runs", &[], b"")?.status, 401);
    assert_eq!(sign_in(addr, "ann", PASSWORD)?.status, 303);
    Ok(())
}

#[test]
fn a_session_begins_with_the_password_and_ends_by_signing_out() -> Result {
    let served = Served::with_accounts()?;
    let addr = served.addr();
    assert_eq!(sign_in(addr, "root", "wrong horse")?.status, 401);
    assert_eq!(sign_in(addr, "nobody", PASSWORD)?.status, 401);
    let body = format!("name=root&password={PASSWORD}&next=/admin");
    let headers = [FORM, ("x-forwarded-proto", "https")];
    let reply = send(addr, "POST", "/sign-in", &headers, body.as_bytes())?;
    let line = reply.header("set-cookie").unwrap_or_default().to_owned();
    for part in [
        "; HttpOnly",
        "; SameSite=Lax",
        "; Path=/",
        "; Max-Age=1209600",
        "; Secure",
    ] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(reply.header("location"), Some("/admin"));
    let (one, two) = (reply.cookie().unwrap_or_default(), served.sign_in("root")?);
    let status = |cookie: &str| -> Result<u16> {
        Ok(send(addr, "GET", "/admin", &[("cookie", cookie)], b"")?.status)
    };
    assert_eq!((status(&one)?, status(&two)?), (200, 200));
    assert_eq!(
        send(addr, "POST", "/sign-out", &[("cookie", &one)], b"")?.status,
        303
    );
    assert_eq!((status(&one)?, status(&two)?), (303, 200));
    let everywhere = "/account/sign-out-everywhere";
    assert_eq!(
        send(addr, "POST", everywhere, &[("cookie", &two)], b"")?.status,
        303
    );
    assert_eq!(status(&two)?, 303);
    let log = served.accounts.audit(20, "")?;
    let holds = |action: &str, outcome: &str| {
        log.iter()
            .any(|entry| entry.action == action && entry.outcome == outcome)
    };
    assert!(
        holds("sign in", "signed in") && holds("sign in", "refused"),
        "{log:?}"
    );
    assert!(holds("POST /account/sign-out-everywhere", "303"), "{log:?}");
    Ok(())
}

#[test]
fn guessing_is_slowed_down() -> Result {
    let served = Served::with_accounts()?;
    let tries = (0..7).map(|_| sign_in(served.addr(), "root", "wrong horse"));
    let replies = tries.collect::<Result<Vec<_>>>()?;
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 429]);
    assert!(replies[6].header("retry-after").is_some());
    // The right password does not help meanwhile; another account is free.
    assert_eq!(sign_in(served.addr(), "root", PASSWORD)?.status, 429);
    assert_eq!(sign_in(served.addr(), "guest", PASSWORD)?.status, 303);
    Ok(())
}

#[test]
fn guesses_of_others_lock_nobody_out() -> Result {
    let served = Served::with_accounts()?;
    let addr = served.addr();
    let cookie = served.sign_in("root")?;
    let from = |address: &str, password: &str, cookie: &str| {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-forwarded-for", address),
            ("cookie", cookie),
        ];
        let body = format!("name=root&password={password}");
        send(addr, "POST", "/sign-in", &headers, body.as_bytes())
    };
    for host in 1..=20 {
        for _ in 0..7 {
            from(&format!("10.0.0.{host}"), "wrong horse", "")?;
        }
    }
    assert_eq!(from("10.0.0.1", PASSWORD, "")?.status, 429);
    assert_eq!(from("10.0.1.1", PASSWORD, "")?.status, 303);
    // even at an address that is closed, whoever is signed in there
    assert_eq!(from("10.0.0.1", PASSWORD, &cookie)?.status, 303);
    Ok(())
}

#[test]
fn every_answer_has_its_headers_and_no_other_host_is_served() -> Result {
    let served = Served::with_accounts()?;
    let addr = served.addr();
    for path in [
        "/sign-in",
        "/nothing",
        "/api/v1/runs",
        "/r/x",
        "/api/v1/visitor",
    ] {
        let reply = send(addr, "GET", path, &[], b"")?;
        let policy = reply.header("content-security-policy").unwrap_or_default();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(
                policy.contains(part) && !policy.contains("unsafe"),
                "{path}: {policy}"
            );
        }
        assert_eq!(
            reply.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            reply.header("referrer-policy"),
            Some("same-origin"),
            "{path}"
        );
    }
    for host in ["evil.net", "localhost.evil.net", "10.0.0.1", ""] {
        let reply = send(addr, "GET", "/sign-in", &[("host", host)], b"")?;
        assert_eq!(reply.status, 421, "{host}");
    }
    let two = [("host", "localhost"), ("host", "evil.net")];
    assert!(matches!(
        send(addr, "GET", "/sign-in", &two, b"")?.status,
        400 | 421
    ));
    Ok(())
}

/// Sends the form for a new token of the page of admins.
fn create_token(served: &Served, cookie: &str, form: &str) -> Result<Reply> {
    let headers = [FORM, ("cookie", cookie)];
    let addr = served.addr();
    send(addr, "POST", "/admin/tokens", &headers, form.as_bytes())
}

#[test]
fn pages_show_tokens_once_and_names_as_text() -> Result {
    let served = Served::with_accounts()?;
    let root = served.sign_in("root")?;
    let hostile = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27";
    let body = format!("kind=read&name={hostile}&project={hostile}");
    let made = create_token(&served, &root, &body)?.text();
    let token = made
        .split("mistress_read_")
        .nth(1)
        .map(|rest| &rest[..43])
        .unwrap_or_default();
    assert_eq!(token.len(), 43, "{made}");
    let bearer = format!("Bearer mistress_read_{token}");
    let reply = send(
        served.addr(),
        "GET",
        "/api/v1/visitor",
        &[("authorization", &bearer)],
        b"",
    )?;
    assert!(
        reply.text().contains("\"kind\":\"token\""),
        "{}",
        reply.text()
    );
    let again = send(served.addr(), "GET", "/admin", &[("cookie", &root)], b"")?.text();
    assert!(
        !again.contains(token) && !again.contains("<script>alert"),
        "{again}"
    );
    assert!(again.contains("&#60;script&#62;alert(1)"), "{again}");
    Ok(())
}

#[test]
fn a_bad_token_is_nobody_even_beside_a_good_cookie() -> Result {
    let served = Served::with_accounts()?;
    let root = served.sign_in("root")?;
    let good = served
        .accounts
        .add_token(TokenKind::Ingest, "ci", "shop", "root", None)?;
    for token in [
        "",
        "x",
        "mistress_ingest_x",
        &good.replace("_ingest_", "_read_"),
    ] {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("cookie", root.as_str()),
        ];
        let reply = send(served.addr(), "GET", "/api/v1/projects", &headers, b"")?;
        assert_eq!(reply.status, 401, "{token}");
    }
    Ok(())
}

#[test]
fn an_expired_token_is_refused_with_the_reason() -> Result {
    let served = Served::with_accounts()?;
    let root = served.sign_in("root")?;
    for (days, shown) in [("30", " UTC</td>"), ("never", "<td>never</td>")] {
        let body = format!("kind=ingest&name=ci&project=shop&days={days}");
        let made = create_token(&served, &root, &body)?;
        assert!(
            made.status == 200 && made.text().contains(shown),
            "{}",
            made.text()
        );
    }
    let wrong = "kind=ingest&name=ci&project=shop&days=soon";
    let refused = create_token(&served, &root, wrong)?;
    assert!(refused.status == 400 && refused.text().contains("expected days, or never"));
    let accounts = &served.accounts;
    let token = accounts.add_token(TokenKind::Ingest, "old", "shop", "root", Some(1))?;
    served.expire_token()?;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let reply = send(served.addr(), "GET", "/ingest/v1/hello", &headers, b"")?;
    assert!(
        reply.status == 401 && reply.text().contains("expired on 1970-01-01"),
        "{}",
        reply.text()
    );
    Ok(())
}

#[test]
fn sessions_are_listed_and_ended_by_their_owner_and_an_admin() -> Result {
    let served = Served::with_accounts()?;
    let addr = served.addr();
    let (one, two) = (served.sign_in("guest")?, served.sign_in("guest")?);
    let account = |cookie: &str| send(addr, "GET", "/account", &[("cookie", cookie)], b"");
    let shown = account(&one)?.text();
    assert!(
        shown.contains("127.0.0.1") && shown.contains("this browser"),
        "{shown}"
    );
    let ends: Vec<&str> = shown.matches("/account/sessions/").collect();
    assert_eq!(ends.len(), 1, "{shown}");
    let others = "/account/sign-out-others";
    assert_eq!(
        send(addr, "POST", others, &[("cookie", &one)], b"")?.status,
        303
    );
    assert_eq!((account(&one)?.status, account(&two)?.status), (200, 303));
    let root = served.sign_in("root")?;
    let admin = send(addr, "GET", "/admin", &[("cookie", &root)], b"")?.text();
    let path = admin.split("/admin/accounts/guest/sessions/").nth(1);
    let id = path
        .and_then(|rest| rest.split('/').next())
        .ok_or("no session")?;
    let end = format!("/admin/accounts/guest/sessions/{id}/end");
    assert_eq!(
        send(addr, "POST", &end, &[("cookie", &root)], b"")?.status,
        303
    );
    assert_eq!(account(&one)?.status, 303);
    Ok(())
}
