//! What people say of a run: annotations on its axis, and the versions of its comment.

use crate::client::{Result, Served};
use crate::nodes::{post, send, start, whole_run};
use mistress_server::access::TokenKind;
use serde_json::{Value, json};

/// A visitor by the header that says who it is.
struct Asker<'a> {
    served: &'a Served,
    header: (&'static str, String),
}

impl Asker<'_> {
    fn ask(&self, line: &str, body: &Value) -> Result<(u16, Value)> {
        let (name, value) = &self.header;
        let head = format!("{line} HTTP/1.1\r\n{name}: {value}\r\ncontent-type: application/json");
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, reply) = send(self.served.addr(), &head, body.as_bytes())?;
        Ok((status, serde_json::from_slice(&reply).unwrap_or_default()))
    }
}

fn account<'a>(served: &'a Served, name: &str) -> Result<Asker<'a>> {
    let header = ("cookie", served.sign_in(name)?);
    Ok(Asker { served, header })
}

fn token<'a>(served: &'a Served, kind: TokenKind, name: &str) -> Result<Asker<'a>> {
    let token = served
        .accounts
        .add_token(kind, name, "shop", "root", None)?;
    let header = ("authorization", format!("Bearer {token}"));
    Ok(Asker { served, header })
}

const LIST: &str = "/api/v1/runs/noted/annotations";

#[test]
fn annotations_are_of_their_authors_and_of_managers() -> Result {
    let served = Served::with_accounts()?;
    served.deliver(start(), "noted")?;
    let manager = account(&served, "manager")?;
    let guest = account(&served, "guest")?;
    let (ci, other) = (
        token(&served, TokenKind::Ingest, "ci")?,
        token(&served, TokenKind::Ingest, "other")?,
    );
    // now, of a live run
    let add = format!("POST {LIST}");
    let (status, made) = ci.ask(&add, &json!({ "text": " deployed 7 ", "kind": "deploy" }))?;
    assert_eq!(status, 200, "{made}");
    assert_eq!(made["text"], "deployed 7");
    assert_eq!(made["author"], "ingest token ci");
    assert_eq!(made["until_s"], Value::Null);
    let spanned = json!({ "at_s": 90, "until_s": 30.5, "text": "the cache was cold" });
    let (_, spanned) = manager.ask(&add, &spanned)?;
    assert_eq!(
        (&spanned["at_s"], &spanned["until_s"]),
        (&json!(30.5), &json!(90.0))
    );
    assert_eq!(spanned["at_ms"], 1_700_000_000_000_u64 + 30_500);
    assert_eq!(
        (&spanned["kind"], &spanned["author"]),
        (&json!("note"), &json!("manager"))
    );

    let own = format!("{LIST}/{}", made["id"]);
    let change = json!({ "at_s": 5, "text": "deployed 8" });
    for (who, expected) in [(&guest, 403), (&other, 403), (&ci, 200), (&manager, 200)] {
        let (status, answer) = who.ask(&format!("PUT {own}"), &change)?;
        assert_eq!(status, expected, "{answer}");
    }
    let (_, run) = guest.ask("GET /api/v1/runs/noted", &Value::Null)?;
    assert_eq!(run["annotations"][0]["text"], "deployed 8");
    assert_eq!(run["annotations"][0]["author"], "ingest token ci");
    assert!(run["annotations"][0]["edited_us"].is_i64());
    assert_eq!(run["annotations"][1]["until_s"], 90.0);

    for (who, expected) in [(&other, 403), (&ci, 200), (&manager, 404)] {
        let (status, answer) = who.ask(&format!("DELETE {own}"), &Value::Null)?;
        assert_eq!(status, expected, "{answer}");
    }
    let (_, list) = guest.ask(&format!("GET {LIST}"), &Value::Null)?;
    assert_eq!(
        list["annotations"].as_array().map(Vec::len),
        Some(1),
        "{list}"
    );
    let (_, exported) = guest.ask("GET /api/v1/runs/noted/export/json", &Value::Null)?;
    assert_eq!(exported["annotations"][0]["text"], "the cache was cold");
    Ok(())
}

#[test]
fn annotations_are_bounded_and_checked() -> Result {
    let served = Served::open()?;
    for batch in &whole_run("noted", 0, 2, &["GET /"]) {
        post(served.addr(), batch)?;
    }
    let local = Asker {
        served: &served,
        header: ("accept", "*/*".to_owned()),
    };
    crate::nodes::await_state(served.addr(), "noted", "done")?;
    let add = format!("POST {LIST}");
    let rows = [
        (json!({ "at_s": 1, "text": " " }), "text: from 1 to 500"),
        (
            json!({ "at_s": 1, "text": "é".repeat(501) }),
            "text: from 1 to 500",
        ),
        (json!({ "at_s": -1, "text": "x" }), "from 0 to 2678400"),
        (
            json!({ "at_s": 1, "until_s": 1e9, "text": "x" }),
            "from 0 to 2678400",
        ),
        (
            json!({ "at_s": 1, "text": "x", "kind": "A b" }),
            "kind: one word",
        ),
    ];
    for (body, expected) in rows {
        let (status, answer) = local.ask(&add, &body)?;
        let text = answer["error"].as_str().unwrap_or_default();
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(text.contains(expected), "{body}: {answer}");
    }
    let (status, answer) = local.ask(&add, &json!({ "text": "late" }))?;
    assert_eq!(status, 409, "{answer}");
    for number in 0..500 {
        let body = json!({ "at_s": number % 7, "text": number.to_string() });
        assert_eq!(local.ask(&add, &body)?.0, 200);
    }
    let (status, answer) = local.ask(&add, &json!({ "at_s": 1, "text": "x" }))?;
    assert_eq!(status, 409, "{answer}");
    let missing = "POST /api/v1/runs/none/annotations";
    assert_eq!(
        local.ask(missing, &json!({ "at_s": 1, "text": "x" }))?.0,
        404
    );
    Ok(())
}

#[test]
fn a_comment_keeps_its_versions() -> Result {
    let served = Served::with_accounts()?;
    served.deliver(start(), "noted")?;
    let (manager, root) = (account(&served, "manager")?, account(&served, "root")?);
    for (who, text) in [
        (&manager, "slow"),
        (&root, "slow: cold cache"),
        (&root, ""),
        (&root, ""),
    ] {
        let body = json!({ "comment": text, "tags": ["a"] });
        assert_eq!(who.ask("PATCH /api/v1/runs/noted", &body)?.0, 200);
    }
    assert_eq!(
        manager
            .ask("PATCH /api/v1/runs/noted", &json!({ "pinned": true }))?
            .0,
        200
    );
    let (_, answer) =
        account(&served, "guest")?.ask("GET /api/v1/runs/noted/comments", &Value::Null)?;
    let versions = answer["comments"].as_array().ok_or("no versions")?;
    let told: Vec<_> = versions
        .iter()
        .map(|one| {
            (
                one["author"].as_str().unwrap_or_default(),
                one["text"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("root", ""),
            ("root", "slow: cold cache"),
            ("manager", "slow")
        ]
    );
    assert!(versions.iter().all(|one| one["at_us"].is_i64()));
    for number in 0..60 {
        let body = json!({ "comment": number.to_string() });
        assert_eq!(manager.ask("PATCH /api/v1/runs/noted", &body)?.0, 200);
    }
    let (_, run) = manager.ask("GET /api/v1/runs/noted", &Value::Null)?;
    assert_eq!(run["comment_versions"], 50);
    Ok(())
}
