//! Accounts, sessions, tokens, links and the audit log as they are kept.

use crate::Error;
use crate::access::audit::AuditEntry;
use crate::access::credentials::LINK_HOURS;
use crate::access::schema::now_us;
use crate::access::secret::{Claims, Secret};
use crate::access::sessions::SESSION_HOURS;
use crate::access::visitor::Visitor;
use crate::access::{Accounts, EVERY_PROJECT, Role, TokenKind};

const PASSWORD: &str = "correct horse";
const HOUR_US: i64 = 3_600_000_000;

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

fn with_ann() -> std::result::Result<(tempfile::TempDir, Accounts), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let accounts = Accounts::open(dir.path())?;
    accounts.add("ann", PASSWORD, Role::Admin, EVERY_PROJECT)?;
    Ok((dir, accounts))
}

fn session(accounts: &Accounts, secret: &Secret, now_us: i64) -> Visitor {
    let claims = Claims {
        session: Some(secret.hash()),
        ..Claims::default()
    };
    accounts.identify(&claims, now_us).expect("the store works")
}

fn said<T>(result: std::result::Result<T, Error>) -> String {
    match result {
        Err(Error::Access(text)) => text,
        Err(other) => format!("another error: {other}"),
        Ok(_) => "it was done".to_owned(),
    }
}

#[test]
fn an_account_signs_in_with_its_password_only() -> Result {
    let (dir, accounts) = with_ann()?;
    assert!(accounts.has_admin()?);
    assert!(accounts.verify_password("ann", PASSWORD)?);
    for (name, password) in [
        ("ann", "Correct horse"),
        ("ann", ""),
        ("bob", PASSWORD),
        ("", ""),
    ] {
        assert!(
            !accounts.verify_password(name, password)?,
            "{name} {password}"
        );
    }
    let files: Vec<u8> = ["meta.sqlite", "meta.sqlite-wal"]
        .iter()
        .flat_map(|name| std::fs::read(dir.path().join(name)).unwrap_or_default())
        .collect();
    let holds = |text: &str| {
        files
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(holds("$argon2id$v=19$m=19456,t=2,p=1$") && !holds(PASSWORD));
    Ok(())
}

#[test]
fn what_cannot_be_an_account_is_refused() -> Result {
    let (_dir, accounts) = with_ann()?;
    let long = "x".repeat(65);
    let rows = [
        ("ann", PASSWORD, "already exists"),
        ("", PASSWORD, "1 to 64"),
        ("a b", PASSWORD, "1 to 64"),
        ("<script>", PASSWORD, "1 to 64"),
        (&long, PASSWORD, "1 to 64"),
        ("bob", "short", "shorter than 10"),
    ];
    for (name, password, expected) in rows {
        let text = said(accounts.add(name, password, Role::Guest, "shop"));
        assert!(text.contains(expected), "{name}: {text}");
    }
    assert!(said(accounts.add("bob", &long.repeat(20), Role::Guest, "p")).contains("longer"));
    Ok(())
}

#[test]
fn the_last_admin_stays() -> Result {
    let (_dir, accounts) = with_ann()?;
    let last = "the last server admin";
    assert!(said(accounts.remove("ann")).contains(last));
    assert!(said(accounts.set_role("ann", EVERY_PROJECT, None)).contains(last));
    assert!(said(accounts.set_role("ann", EVERY_PROJECT, Some(Role::Guest))).contains(last));
    assert_eq!(accounts.list()?[0].grants[0].role, Role::Admin);
    accounts.add("bob", PASSWORD, Role::Admin, "shop")?;
    assert!(said(accounts.remove("ann")).contains(last));
    accounts.set_role("bob", EVERY_PROJECT, Some(Role::Admin))?;
    accounts.remove("ann")?;
    assert!(accounts.has_admin()? && said(accounts.remove("ann")).contains("no account"));
    Ok(())
}

#[test]
fn sessions_end_by_time_by_hand_and_with_the_password() -> Result {
    let (_dir, accounts) = with_ann()?;
    let now = now_us();
    let end = now + SESSION_HOURS * HOUR_US;
    let one = accounts.start_session("ann", now, "10.0.0.1", "Browser")?;
    let two = accounts.start_session("ann", now, "10.0.0.1", "Browser")?;
    assert_eq!(session(&accounts, &one, end - 1).name(), "ann");
    assert_eq!(session(&accounts, &one, end).name(), "nobody");
    assert_eq!(accounts.sessions("ann", now)?.len(), 2);
    accounts.end_session(one.hash())?;
    assert_eq!(session(&accounts, &one, now).name(), "nobody");
    assert_eq!(session(&accounts, &two, now).name(), "ann");
    accounts.set_password("ann", "another horse")?;
    assert_eq!(session(&accounts, &two, now).name(), "nobody");
    assert!(
        accounts.verify_password("ann", "another horse")?
            && !accounts.verify_password("ann", PASSWORD)?
    );
    let three = accounts.start_session("ann", now, "10.0.0.1", "Browser")?;
    accounts.end_sessions("ann")?;
    assert_eq!(session(&accounts, &three, now).name(), "nobody");
    Ok(())
}

#[test]
fn sessions_are_listed_with_their_last_use_and_end_one_by_one() -> Result {
    let (_dir, accounts) = with_ann()?;
    let now = now_us();
    let one = accounts.start_session("ann", now, "10.0.0.1", &"x".repeat(1_000))?;
    let two = accounts.start_session("ann", now, "10.0.0.2", "Browser")?;
    let later = now + HOUR_US;
    assert_eq!(session(&accounts, &one, later).name(), "ann");
    let listed = accounts.sessions("ann", later)?;
    let facts: Vec<_> = listed
        .iter()
        .map(|one| (one.address.as_str(), one.used_us))
        .collect();
    assert_eq!(facts, [("10.0.0.1", later), ("10.0.0.2", now)]);
    assert_eq!(
        (listed[0].agent.len(), listed[1].agent.as_str()),
        (200, "Browser")
    );
    // an id is no secret, and ends no session of another account
    accounts.add("bob", PASSWORD, Role::Guest, "shop")?;
    accounts.end_session_of("bob", &listed[0].id)?;
    assert_eq!(session(&accounts, &one, later).name(), "ann");
    accounts.end_session_of("ann", &listed[0].id)?;
    assert_eq!(session(&accounts, &one, later).name(), "nobody");
    let three = accounts.start_session("ann", now, "10.0.0.3", "Browser")?;
    accounts.end_other_sessions("ann", three.hash())?;
    assert_eq!(session(&accounts, &two, now).name(), "nobody");
    assert_eq!(session(&accounts, &three, now).name(), "ann");
    Ok(())
}

#[test]
fn tokens_expire_when_they_were_made_to() -> Result {
    let (_dir, accounts) = with_ann()?;
    let claims = |text: &str| {
        let line = format!("Bearer {text}");
        Claims::read(std::iter::empty(), std::iter::once(line.as_bytes()))
    };
    let text = accounts.add_token(TokenKind::Read, "ci", "shop", "ann", Some(30))?;
    let end = accounts.tokens()?[0].expires_us.ok_or("no end")?;
    let visitor = accounts.identify(&claims(&text), end - 1)?;
    assert_eq!(
        (visitor.name().as_str(), visitor.expired()),
        ("read token ci", None)
    );
    let visitor = accounts.identify(&claims(&text), end)?;
    assert_eq!(visitor.name(), "nobody");
    assert!(
        visitor
            .expired()
            .is_some_and(|text| text.contains("\"ci\" expired on 2"))
    );
    let text = accounts.add_token(TokenKind::Read, "x", "shop", "ann", None)?;
    let visitor = accounts.identify(&claims(&text), i64::MAX / 2)?;
    assert_eq!(visitor.name(), "read token x");
    for days in [0, 4_000] {
        let made = accounts.add_token(TokenKind::Read, "x", "shop", "ann", Some(days));
        assert!(said(made.map(drop)).contains("1 to 3660 days"));
    }
    Ok(())
}

#[test]
fn tokens_are_known_by_their_hash_until_revoked() -> Result {
    let (dir, accounts) = with_ann()?;
    let text = accounts.add_token(TokenKind::Ingest, "ci", "shop", "ann", Some(30))?;
    let line = format!("Bearer {text}");
    let claims = Claims::read(std::iter::empty(), std::iter::once(line.as_bytes()));
    let visitor = accounts.identify(&claims, now_us())?;
    assert_eq!(visitor.name(), "ingest token ci");
    assert!(visitor.may_ingest("shop") && !visitor.may_ingest("bank"));
    // The other kind's prefix before the same secret opens nothing.
    let wrong = line.replace("_ingest_", "_read_");
    let claims_of_other = Claims::read(std::iter::empty(), std::iter::once(wrong.as_bytes()));
    assert_eq!(
        accounts.identify(&claims_of_other, now_us())?.name(),
        "nobody"
    );
    let secret = text.trim_start_matches("mistress_ingest_");
    for name in ["meta.sqlite", "meta.sqlite-wal"] {
        let file = std::fs::read(dir.path().join(name)).unwrap_or_default();
        assert!(
            !file
                .windows(secret.len())
                .any(|part| part == secret.as_bytes())
        );
    }
    let token = &accounts.tokens()?[0];
    assert!(token.used_us.is_some() && token.made_by == "ann");
    accounts.revoke_token(token.id)?;
    assert_eq!(accounts.identify(&claims, now_us())?.name(), "nobody");
    assert!(said(accounts.revoke_token(token.id)).contains("no such token"));
    Ok(())
}

#[test]
fn a_share_link_shows_one_run_until_it_ends() -> Result {
    let (_dir, accounts) = with_ann()?;
    let now = now_us();
    let (secret, link) = accounts.add_link("run", LINK_HOURS, false, "ann", now)?;
    let claims = Claims {
        links: vec![secret.hash()],
        ..Claims::default()
    };
    let visitor = accounts.identify(&claims, link.expires_us - 1)?;
    assert!(visitor.sees_run("run", "shop") && !visitor.sees_run("other", "shop"));
    assert!(!visitor.sees_script("run", "shop"));
    // another one beside it
    let (other, _) = accounts.add_link("other", LINK_HOURS, true, "ann", now)?;
    let both = Claims {
        links: vec![secret.hash(), other.hash()],
        ..Claims::default()
    };
    let visitor = accounts.identify(&both, now)?;
    assert!(visitor.sees_run("run", "shop") && visitor.sees_run("other", "shop"));
    assert!(!visitor.sees_script("run", "shop") && visitor.sees_script("other", "shop"));
    assert!(
        !accounts
            .identify(&claims, link.expires_us)?
            .sees_run("run", "shop")
    );
    for hours in [0, -1, 24 * 367] {
        assert!(
            said(accounts.add_link("run", hours, false, "ann", now))
                .contains("hours: must be 1 to")
        );
    }
    assert!(said(accounts.revoke_link(link.id, Some("other"))).contains("no such"));
    assert_eq!(
        accounts.links(Some("run"), now)?,
        std::slice::from_ref(&link)
    );
    accounts.revoke_link(link.id, Some("run"))?;
    assert!(!accounts.identify(&claims, now)?.sees_run("run", "shop"));
    Ok(())
}

#[test]
fn the_audit_log_clips_and_forgets() -> Result {
    let (_dir, accounts) = with_ann()?;
    let mut entry = AuditEntry::now("ann".to_owned(), "127.0.0.1".to_owned(), "sign in");
    entry.object = "<script>".repeat(1_000);
    accounts.record(&entry)?;
    let kept = accounts.audit(10, "")?;
    assert_eq!((kept.len(), kept[0].object.len()), (1, 256));
    Ok(())
}

#[test]
fn refusals_of_one_visitor_are_one_entry() -> Result {
    let (_dir, accounts) = with_ann()?;
    let entry = |who: &str, action: &str, object: &str, outcome: &str| AuditEntry {
        object: object.to_owned(),
        outcome: outcome.to_owned(),
        ..AuditEntry::now(who.to_owned(), "10.0.0.1".to_owned(), action)
    };
    let remove = "DELETE /api/v1/runs/{id}";
    accounts.record(&entry("ann", remove, "/api/v1/runs/a", "200"))?;
    for run in 0..300 {
        let object = format!("/api/v1/runs/{run}");
        accounts.record(&entry("guest", remove, &object, "403"))?;
        accounts.record(&entry("guest", "sign in", "guest", "refused"))?;
    }
    // what was done is told one by one
    accounts.record(&entry("ann", remove, "/api/v1/runs/b", "200"))?;
    let told = |text: &str| -> std::result::Result<Vec<(String, String, u32)>, Error> {
        let entries = accounts.audit(1_000, text)?.into_iter();
        Ok(entries
            .map(|one| (one.who, one.object, one.times))
            .collect())
    };
    let one = |who: &str, object: &str, times| (who.to_owned(), object.to_owned(), times);
    let expected = [
        one("ann", "/api/v1/runs/b", 1),
        one("guest", "guest", 300),
        one("guest", "/api/v1/runs/0", 300),
        one("ann", "/api/v1/runs/a", 1),
    ];
    assert_eq!(told("")?, expected);
    assert_eq!(told("SIGN in")?, expected[1..2]);
    assert_eq!(told("ann")?.len(), 2);
    // an hour later it is another entry
    let mut later = entry("guest", remove, "/api/v1/runs/c", "403");
    later.at_us += 3_600_000_001;
    accounts.record(&later)?;
    assert_eq!(told("guest")?[0], one("guest", "/api/v1/runs/c", 1));
    Ok(())
}

#[test]
fn a_second_process_sees_the_new_admin_and_a_newer_store_is_refused() -> Result {
    let dir = tempfile::tempdir()?;
    let (one, two) = (Accounts::open(dir.path())?, Accounts::open(dir.path())?);
    assert!(!one.has_admin()?);
    two.add("ann", PASSWORD, Role::Admin, EVERY_PROJECT)?;
    assert!(one.has_admin()?);
    two.change(|db| Ok(db.execute("UPDATE access_version SET version = 99", [])?))?;
    let error = Accounts::open(dir.path()).expect_err("a store of a newer version");
    assert!(
        error.to_string().contains("use the newer program"),
        "{error}"
    );
    Ok(())
}
