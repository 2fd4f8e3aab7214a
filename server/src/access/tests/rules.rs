//! Identity is let do what, and how often they may try.

use crate::access::limit::RateLimit;
use crate::access::visitor::{Decision, Grant, Identity, Object, Visitor};
use crate::access::{EVERY_PROJECT, Link, Needs, Over, ROUTES, Role, TokenKind};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

fn account(role: Role, project: &str) -> Visitor {
    let project = project.to_owned();
    Visitor::of(
        Identity::Account("ann".to_owned()),
        vec![Grant { project, role }],
        Vec::new(),
    )
}

fn visitors() -> Vec<(&'static str, Visitor)> {
    let link = Link {
        id: 1,
        run: "run".to_owned(),
        made_by: "ann".to_owned(),
        created_us: 0,
        expires_us: 1,
        script: false,
    };
    let token = |kind, project: &str| Visitor::token(kind, "ci".to_owned(), project.to_owned());
    vec![
        ("nobody", Visitor::anonymous()),
        (
            "share link",
            Visitor::of(Identity::Anonymous, Vec::new(), vec![link]),
        ),
        ("ingest token", token(TokenKind::Ingest, EVERY_PROJECT)),
        ("read token", token(TokenKind::Read, "shop")),
        ("guest", account(Role::Guest, "shop")),
        ("manager", account(Role::Manager, "shop")),
        ("admin", account(Role::Admin, "shop")),
        ("admin of another", account(Role::Admin, "bank")),
        ("admin of all", account(Role::Admin, EVERY_PROJECT)),
        ("local", Visitor::local()),
    ]
}

/// For each visitor of [`visitors`] one letter: allowed, sign in, hidden, refused.
fn row(needs: Needs, object: &Object) -> String {
    let letter = |(_, visitor): (&str, Visitor)| match visitor.decide(needs, object) {
        Decision::Allowed => 'A',
        Decision::SignIn => 's',
        Decision::Hidden => 'h',
        Decision::Refused => 'r',
    };
    visitors().into_iter().map(letter).collect()
}

#[test]
fn every_need_against_every_visitor() {
    let run = Object::Runs(vec![("run".to_owned(), Some("shop".to_owned()))]);
    let other = Object::Runs(vec![("other".to_owned(), Some("shop".to_owned()))]);
    let absent = Object::Runs(vec![("gone".to_owned(), None)]);
    let both = Object::Runs(vec![
        ("run".to_owned(), Some("shop".to_owned())),
        ("b".to_owned(), Some("bank".to_owned())),
    ]);
    let none = Object::Runs(Vec::new());
    let project = Object::Project("shop".to_owned());
    use Role::{Admin, Guest, Manager};
    let rows = [
        // nobody, link, ingest, read, guest, manager, admin, of another, of all, local
        (Needs::Anybody, &Object::Nothing, "AAAAAAAAAA"),
        (Needs::Account, &Object::Nothing, "ssrrAAAAAA"),
        (Needs::Ingest, &Object::Nothing, "ssArrrrrrA"),
        (
            Needs::Role(Guest, Over::Some),
            &Object::Nothing,
            "ssrAAAAAAA",
        ),
        (Needs::Role(Guest, Over::Run), &run, "sArAAAAhAA"),
        (Needs::Role(Guest, Over::Run), &other, "ssrAAAAhAA"),
        (Needs::Role(Guest, Over::Run), &absent, "ssrhhhhhAA"),
        (Needs::Role(Manager, Over::Run), &run, "ssrrrAAhAA"),
        (Needs::Role(Admin, Over::Run), &run, "ssrrrrAhAA"),
        (Needs::Role(Guest, Over::Runs), &both, "ssrhhhhhAA"),
        (Needs::Role(Guest, Over::Runs), &none, "ssrAAAAAAA"),
        (Needs::Role(Guest, Over::Project), &project, "ssrAAAAhAA"),
        (Needs::Role(Manager, Over::Project), &project, "ssrrrAAhAA"),
        (Needs::Role(Admin, Over::Project), &project, "ssrrrrAhAA"),
        (
            Needs::Role(Admin, Over::Server),
            &Object::Nothing,
            "ssrrrrrrAA",
        ),
    ];
    for (needs, object, expected) in rows {
        assert_eq!(row(needs, object), expected, "{needs:?} {object:?}");
    }
}

#[test]
fn whose_seconds_are_taken() {
    let token = Visitor::token(TokenKind::Ingest, "ci".to_owned(), "shop".to_owned());
    assert!(token.may_ingest("shop") && !token.may_ingest("bank"));
    assert!(!token.may(Role::Guest, "shop") && !token.may(Role::Guest, EVERY_PROJECT));
    let reader = Visitor::token(TokenKind::Read, "ci".to_owned(), "shop".to_owned());
    assert!(!reader.may_ingest("shop") && reader.may(Role::Guest, "shop"));
    assert!(!reader.may(Role::Guest, "bank") && !reader.may(Role::Guest, EVERY_PROJECT));
    assert!(!account(Role::Admin, EVERY_PROJECT).may_ingest("shop"));
    assert!(
        Visitor::local().may_ingest("shop") && Visitor::local().may(Role::Guest, EVERY_PROJECT)
    );
}

#[test]
fn the_table_names_each_route_once_and_opens_little() {
    for (at, route) in ROUTES.iter().enumerate() {
        let is_twice = ROUTES[..at]
            .iter()
            .any(|other| (other.method, other.path) == (route.method, route.path));
        assert!(!is_twice, "{route:?}");
        let changes = route.method != "GET";
        let is_open = matches!(route.needs, Needs::Nothing | Needs::Anybody);
        assert!(
            !(changes && is_open) || route.path == "/sign-in",
            "{route:?}"
        );
        let needs_run = matches!(route.needs, Needs::Role(_, Over::Run) | Needs::Annotate);
        assert_eq!(needs_run, route.path.contains("{id}"), "{route:?}");
    }
}

#[test]
fn attempts_are_limited_per_address_and_account_there() {
    let (now, limit) = (Instant::now(), RateLimit::default());
    let address = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
    let tries = |name: &str, last, at| limit.attempt(at, address(last), name);
    // One account from one address.
    let free = (0..100)
        .take_while(|_| tries("ann", 1, now).is_ok())
        .count();
    assert_eq!(free, 6);
    let wait = tries("ann", 1, now).expect_err("the account is closed there for a while");
    assert!(tries("bob", 1, now).is_ok());
    assert!(tries("ann", 1, now + wait + Duration::from_millis(1)).is_ok());
    // Guesses from many other addresses lock nobody out.
    for last in 100..200 {
        while tries("ann", last, now).is_ok() {}
    }
    assert!(tries("ann", 2, now).is_ok());
    // Many accounts from one address.
    let limit = RateLimit::default();
    let names = (0..100).map(|k| k.to_string());
    let free = names
        .take_while(|name| limit.attempt(now, address(1), name).is_ok())
        .count();
    assert_eq!(free, 20);
    assert!(limit.attempt(now, address(2), "ann").is_ok());
}

#[test]
fn success_forgives_the_account_and_memory_is_bounded() {
    let (now, limit) = (Instant::now(), RateLimit::default());
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for _ in 0..100 {
        assert!(limit.attempt(now, address, "ann").is_ok());
        limit.succeeded(address, "ann");
    }
    for k in 0..60_000_u32 {
        let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + k));
        let _ = limit.attempt(now, address, &"x".repeat(10_000));
    }
    assert!(limit.len() <= 20_002, "{}", limit.len());
}
