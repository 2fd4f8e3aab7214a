//! Sign-in by OpenID Connect: with a real provider, and with one that does everything wrong.

mod fake;
mod real;

use crate::client::{PASSWORD, Reply, Result, send};
use fake::{Fake, Signed};
use mistress_server as server;
use serde_json::{Value, json};
use server::access::{Accounts, EVERY_PROJECT, OidcOptions, Role};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A server whose accounts sign in with a provider; `root` is an admin with a password.
struct Served {
    running: server::Running,
    accounts: Accounts,
    _dir: tempfile::TempDir,
}

impl Served {
    fn start(issuer: &str, role_claim: Option<&str>, url: Option<&str>) -> Result<Served> {
        let dir = tempfile::tempdir()?;
        let accounts = Accounts::open(dir.path())?;
        accounts.add("root", PASSWORD, Role::Admin, EVERY_PROJECT)?;
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut options = server::Options::new(bind, dir.path());
        options.url = url.map(str::to_owned);
        options.oidc = Some(OidcOptions {
            issuer: issuer.to_owned(),
            client_id: "mistress".to_owned(),
            client_secret: "a secret: 100 %".to_owned(),
            scopes: OidcOptions::SCOPES.to_owned(),
            role_claim: role_claim.map(str::to_owned),
        });
        Ok(Served {
            running: server::start(options)?,
            accounts,
            _dir: dir,
        })
    }

    fn get(&self, path: &str, cookie: &str) -> Result<Reply> {
        send(self.running.addr(), "GET", path, &[("cookie", cookie)], b"")
    }

    /// Begins a sign-in: its cookie, and the parameters that the provider is sent.
    fn begin(&self, next: &str) -> Result<(String, Sent)> {
        let reply = self.get(&format!("/oidc/start?next={next}"), "")?;
        assert_eq!(reply.status, 303, "{}", reply.text());
        let line = reply.header("set-cookie").unwrap_or_default();
        for part in ["HttpOnly", "SameSite=Lax", "Max-Age=600"] {
            assert!(line.contains(part), "{line}");
        }
        let cookie = reply.cookie().ok_or("a cookie")?;
        let location = reply.header("location").ok_or("a location")?;
        Ok((cookie, Sent(location.to_owned())))
    }

    /// The outcome of the last sign-in in the audit log.
    fn last_entry(&self) -> Result<(String, String)> {
        let entries = self.accounts.audit(1, "openid connect")?;
        let entry = entries.into_iter().next().ok_or("an entry")?;
        Ok((entry.outcome, entry.object))
    }

    fn names(&self) -> Result<Vec<String>> {
        let accounts = self.accounts.list()?.into_iter();
        Ok(accounts.map(|account| account.name).collect())
    }
}

/// Where the browser was sent.
struct Sent(String);

impl Sent {
    /// A parameter whose value needs no decoding.
    fn get(&self, name: &str) -> &str {
        let query = self.0.split_once('?').map_or("", |(_, query)| query);
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(found, _)| *found == name)
            .map_or("", |(_, value)| value)
    }
}

/// The cookie of a session among those that a reply sets.
fn session(reply: &Reply) -> Option<String> {
    let mut cookies = reply.head.lines().filter_map(|line| line.split_once(": "));
    cookies.find_map(|(_, value)| {
        let cookie = value.split(';').next()?;
        cookie
            .starts_with("mistress_session=")
            .then(|| cookie.to_owned())
    })
}

/// Signs in through the fake provider whose tokens are signed like this with these claims changed.
fn attempt(served: &Served, fake: &Fake, signed: Signed, change: Value) -> Result<Reply> {
    let (cookie, sent) = served.begin("%2Faccount")?;
    fake.answer(&sent, signed, change);
    let path = format!("/oidc/callback?code=good&state={}", sent.get("state"));
    served.get(&path, &cookie)
}

#[test]
fn people_sign_in_with_a_provider_and_keep_their_account() -> Result {
    let fake = Fake::start()?;
    let served = Served::start(&fake.issuer, Some("groups"), None)?;
    let page = served.get("/sign-in?next=/account", "")?.text();
    assert!(page.contains("Sign in with 127.0.0.1"), "{page}");
    let roles = json!({"groups": ["mistress:shop:guest"]});
    let reply = attempt(&served, &fake, Signed::Es256, roles)?;
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert_eq!(reply.header("location"), Some("/account"));
    let cookie = session(&reply).ok_or("a session")?;
    let visitor = served.get("/api/v1/visitor", &cookie)?.text();
    let visitor: Value = serde_json::from_str(&visitor)?;
    assert_eq!(visitor["name"], "ann");
    assert_eq!(visitor["roles"], json!({"shop": "guest"}));
    let account = served.get("/account", &cookie)?.text();
    assert!(account.contains("Sign out everywhere"), "{account}");
    assert!(!account.contains("Change password"), "{account}");
    assert_eq!(served.last_entry()?, ("signed in".into(), "ann".into()));
    // no password signs this account in
    for password in ["", "x"] {
        let reply = crate::client::sign_in(served.running.addr(), "ann", password)?;
        assert_eq!(reply.status, 401);
    }
    // the same person under another name, whom the provider has taken the role from
    let renamed = json!({"preferred_username": "anna"});
    let reply = attempt(&served, &fake, Signed::Es256, renamed)?;
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert_eq!(served.names()?, ["ann", "root"]);
    let accounts = served.accounts.list()?;
    assert!(accounts[0].grants.is_empty(), "{accounts:?}");
    Ok(())
}

#[test]
fn no_account_is_taken_over_and_no_other_site_redirected_to() -> Result {
    let fake = Fake::start()?;
    let served = Served::start(&fake.issuer, None, None)?;
    let root = json!({"preferred_username": "root", "groups": ["mistress:*:admin"]});
    let reply = attempt(&served, &fake, Signed::Es256, root)?;
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("belongs to somebody else"));
    assert_eq!(session(&reply), None);
    assert_eq!(served.names()?, ["root"]);
    let nameless = json!({"preferred_username": "<b>", "email": "a@b", "email_verified": false});
    let reply = attempt(&served, &fake, Signed::Es256, nameless)?;
    assert_eq!(reply.status, 403);
    // without a role claim, claims grant nothing
    let roles = json!({"groups": ["mistress:*:admin"]});
    let reply = attempt(&served, &fake, Signed::Es256, roles)?;
    assert_eq!(reply.status, 303);
    assert!(served.accounts.list()?[0].grants.is_empty());
    let (cookie, sent) = served.begin("%2F%2Fevil.example")?;
    fake.answer(&sent, Signed::Es256, json!({}));
    let path = format!("/oidc/callback?code=good&state={}", sent.get("state"));
    let reply = served.get(&path, &cookie)?;
    assert_eq!(reply.header("location"), Some("/report/list"));
    Ok(())
}

#[test]
fn tokens_that_are_wrong_in_any_way_sign_nobody_in() -> Result {
    let rows = [
        (Signed::Es256, json!({"nonce": "other"}), "another sign-in"),
        (Signed::Es256, json!({"aud": "other"}), "another audience"),
        (Signed::Es256, json!({"azp": "other"}), "another client"),
        (Signed::Es256, json!({"iss": "http://x"}), "another issuer"),
        (Signed::Es256, json!({"exp": 1}), "has expired"),
        (Signed::None, json!({}), "is signed with &#34;none&#34;"),
        (Signed::PublicAsHmac, json!({}), "&#34;HS256&#34;"),
        (Signed::UnknownKey, json!({}), "does not publish"),
        (Signed::Forged, json!({}), "a wrong signature"),
    ];
    let fake = Fake::start()?;
    for (signed, change, expected) in rows {
        let served = Served::start(&fake.issuer, None, None)?;
        let reply = attempt(&served, &fake, signed, change)?;
        assert_eq!(reply.status, 403, "{expected}: {}", reply.text());
        assert!(reply.text().contains(expected), "{}", reply.text());
        assert_eq!(session(&reply), None);
        assert_eq!(served.names()?, ["root"]);
        assert_eq!(served.last_entry()?.0, "refused");
    }
    Ok(())
}

#[test]
fn an_answer_counts_once_and_only_in_the_browser_that_asked() -> Result {
    let fake = Fake::start()?;
    let served = Served::start(&fake.issuer, None, None)?;
    let refused = |path: &str, cookie: &str, text: &str| -> Result {
        let reply = served.get(path, cookie)?;
        assert_eq!(reply.status, 403, "{}", reply.text());
        assert!(reply.text().contains(text), "{}", reply.text());
        assert_eq!(served.last_entry()?.0, "refused");
        Ok(())
    };
    let (cookie, sent) = served.begin("")?;
    fake.answer(&sent, Signed::Es256, json!({}));
    let good = format!("/oidc/callback?code=good&state={}", sent.get("state"));
    refused(&good, "", "not begun in this browser")?;
    refused(
        "/oidc/callback?code=good&state=x",
        &cookie,
        "another sign-in",
    )?;
    // the wrong answer used it up
    refused(&good, &cookie, "already done")?;
    let (cookie, sent) = served.begin("")?;
    let denied = format!(
        "/oidc/callback?error=access_denied&state={}",
        sent.get("state")
    );
    refused(&denied, &cookie, "access_denied")?;
    let (cookie, sent) = served.begin("")?;
    let bad = format!("/oidc/callback?code=bad&state={}", sent.get("state"));
    refused(&bad, &cookie, "did not accept the code")?;
    assert_eq!(served.names()?, ["root"]);
    Ok(())
}

#[test]
fn a_provider_that_is_down_stops_only_its_own_sign_in() -> Result {
    let fake = Fake::start()?;
    fake.set_down(true);
    let served = Served::start(&fake.issuer, None, None)?;
    let reply = served.get("/oidc/start", "")?;
    assert_eq!(reply.status, 502);
    assert!(reply.text().contains("try again later"), "{}", reply.text());
    assert_eq!(served.last_entry()?.0, "refused");
    let reply = crate::client::sign_in(served.running.addr(), "root", PASSWORD)?;
    assert_eq!(reply.status, 303);
    fake.set_down(false);
    std::thread::sleep(Duration::from_millis(1_100));
    served.begin("").map(drop)
}
