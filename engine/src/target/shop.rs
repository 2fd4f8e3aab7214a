//! A small shop within the target, for the examples of the documentation: pages, a form login, a
//! basket, JSON with pages of items, tokens, jobs to wait for. It keeps nothing: what a later
//! request needs is in the cookie, the token or the path that it was given.

use serde_json::{Value, json};
use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::form_urlencoded;

/// Items of the shop, numbered from 1.
const ITEMS: u64 = 100;
/// Items on a page unless the request says another number.
const PAGE_ITEMS: u64 = 10;
/// A job is done so long after it was made.
const JOB_TIME: Duration = Duration::from_millis(300);
/// The password that is refused.
const WRONG: &str = "wrong";
const HTML: &str = "text/html";
const JSON: &str = "application/json";
const NAMES: [&str; 5] = ["lamp", "chair", "table", "shelf", "clock"];

/// An answer of the shop.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    /// Further lines of the head, each with its line end.
    pub(super) fields: String,
    pub(super) body: String,
}

/// A request as the shop reads it.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    head: &'a str,
    body: &'a str,
}

/// Whether a path is one of the shop's; anything below the first part of it is too.
pub(super) fn has(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    matches!(
        first,
        "news"
            | "login"
            | "account"
            | "logout"
            | "cart"
            | "pay"
            | "items"
            | "search"
            | "token"
            | "private"
            | "jobs"
            | "graphql"
            | "style.css"
            | "logo.svg"
    )
}

/// Answers a request: its head, and its body behind it. `None` when there is no such page.
pub(super) fn answer(text: &[u8], now: SystemTime) -> Option<Answer> {
    let text = String::from_utf8_lossy(text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        method,
        path,
        query,
        head,
        body,
    };
    request.answer(now.duration_since(UNIX_EPOCH).unwrap_or_default())
}

impl Request<'_> {
    fn answer(&self, now: Duration) -> Option<Answer> {
        let mut parts = self.path.split('/').skip(1);
        let (first, second) = (parts.next()?, parts.next());
        if parts.next().is_some() {
            return None;
        }
        match (first, second) {
            ("news", _) => Some(page("News", &news(second)?)),
            ("login", None) => Some(self.login(now)),
            ("account", None) => Some(self.account()),
            ("logout", None) => Some(redirect(303, "/", SESSION_END)),
            ("cart", None) => Some(data(200, &json!({ "id": self.number(), "items": 1 }))),
            ("pay", None) => Some(redirect(302, "/news", "")),
            ("items", None) => Some(self.items()),
            ("items", Some(id)) => Some(self.item(id.parse().ok()?)),
            ("search", None) => Some(self.search()),
            ("token", None) => Some(data(200, &token(self.number()))),
            ("private", None) => Some(self.private()),
            ("jobs", None) => Some(job(now, now)),
            ("jobs", Some(made)) => Some(job(Duration::from_millis(made.parse().ok()?), now)),
            ("graphql", None) => Some(self.graphql()),
            ("style.css", None) => Some(content(200, "text/css", "p { color: #222 }\n".to_owned())),
            ("logo.svg", None) => Some(content(200, "image/svg+xml", LOGO.to_owned())),
            _ => None,
        }
    }

    /// A form, or what it leads to.
    fn login(&self, now: Duration) -> Answer {
        if self.method != "POST" {
            let csrf = format!("{:x}", now.as_nanos());
            let form = format!(
                "<form method=\"post\"><input type=\"hidden\" name=\"csrf\" value=\"{csrf}\">\
                 <input name=\"user\"><input name=\"password\" type=\"password\"></form>\n"
            );
            return page("Log in", &form);
        }
        let user = self.field("user").unwrap_or(Cow::Borrowed("nobody"));
        if self
            .field("password")
            .is_some_and(|password| password == WRONG)
        {
            return content(
                403,
                HTML,
                "<p class=\"error\">wrong password</p>\n".to_owned(),
            );
        }
        // what is put into a cookie and a page must not end them
        let user: String = user
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(64)
            .collect();
        redirect(
            302,
            "/account",
            &format!("Set-Cookie: session={user}; Path=/; HttpOnly\r\n"),
        )
    }

    fn account(&self) -> Answer {
        let cookies = self.header("cookie").unwrap_or_default();
        let session = cookies
            .split("; ")
            .find_map(|one| one.strip_prefix("session="));
        match session {
            Some(user) if !user.is_empty() => page("Account", &format!("<p>Hello {user}</p>\n")),
            _ => redirect(302, "/login", ""),
        }
    }

    /// A page of items, or a new one.
    fn items(&self) -> Answer {
        if self.method == "POST" {
            let id = self.number() % ITEMS + 1;
            let mut made = data(201, &item(id));
            made.fields = format!("Location: /items/{id}\r\n");
            return made;
        }
        let number = |name: &str, default| {
            let value = self.query(name).and_then(|text| text.parse().ok());
            value.unwrap_or(default)
        };
        let size: u64 = number("size", PAGE_ITEMS).clamp(1, ITEMS);
        let page: u64 = number("page", 1).clamp(1, ITEMS + 1);
        let first = (page - 1) * size + 1;
        let items: Vec<Value> = (first..first + size)
            .take_while(|id| *id <= ITEMS)
            .map(item)
            .collect();
        let next = (first + size <= ITEMS).then_some(page + 1);
        data(
            200,
            &json!({ "items": items, "page": page, "next": next, "total": ITEMS }),
        )
    }

    fn item(&self, id: u64) -> Answer {
        if !(1..=ITEMS).contains(&id) {
            return data(404, &json!({ "error": "no such item" }));
        }
        if self.method == "DELETE" {
            return content(204, JSON, String::new());
        }
        data(200, &item(id))
    }

    fn search(&self) -> Answer {
        let text = self.query("q").unwrap_or_default();
        let hits: Vec<Value> = (1..=ITEMS)
            .map(item)
            .filter(|item| {
                item["name"]
                    .as_str()
                    .is_some_and(|name| name.contains(&*text))
            })
            .take(PAGE_ITEMS as usize)
            .collect();
        data(200, &json!({ "q": text, "hits": hits }))
    }

    fn private(&self) -> Answer {
        let token = self
            .header("authorization")
            .and_then(|text| text.strip_prefix("Bearer "));
        match token {
            Some(token) if token.starts_with("t-") => data(200, &json!({ "secret": 42 })),
            _ => Answer {
                fields: "WWW-Authenticate: Bearer\r\n".to_owned(),
                ..data(401, &json!({ "error": "no valid token" }))
            },
        }
    }

    /// Answers any query with the first items, as many as its variable `first` says.
    fn graphql(&self) -> Answer {
        let asked: Value = serde_json::from_str(self.body).unwrap_or_default();
        if !asked["query"].is_string() {
            let error = json!({ "errors": [{ "message": "no query" }] });
            return data(400, &error);
        }
        let first = asked["variables"]["first"].as_u64().unwrap_or(3).min(ITEMS);
        let items: Vec<Value> = (1..=first).map(item).collect();
        data(200, &json!({ "data": { "items": items } }))
    }

    /// A field of the form or of the JSON object in the body.
    fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Ok(Value::Object(fields)) = serde_json::from_str(self.body) {
            return Some(Cow::Owned(fields.get(name)?.as_str()?.to_owned()));
        }
        let mut pairs = form_urlencoded::parse(self.body.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .head
            .split("\r\n")
            .skip(1)
            .filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// A number that depends on the body alone (FNV-1a), from 1 to a million.
    fn number(&self) -> u64 {
        let hash = self
            .body
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        hash % 1_000_000 + 1
    }
}

const SESSION_END: &str = "Set-Cookie: session=; Path=/; Max-Age=0\r\n";
const LOGO: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>\n";

/// The list of articles, or one of them.
fn news(article: Option<&str>) -> Option<String> {
    let Some(article) = article else {
        let links = (1..=5).map(|n| format!("<li><a href=\"/news/{n}\">Article {n}</a></li>\n"));
        return Some(format!("<ul>\n{}</ul>\n", links.collect::<String>()));
    };
    let number: u32 = article.parse().ok()?;
    (1..=5)
        .contains(&number)
        .then(|| format!("<p>This is article {number}.</p>\n"))
}

fn item(id: u64) -> Value {
    let name = NAMES[(id % NAMES.len() as u64) as usize];
    json!({ "id": id, "name": format!("{name} {id}"), "price": id * 3 % 50 + 1, "stock": id % 7 })
}

fn token(number: u64) -> Value {
    json!({ "access_token": format!("t-{number}"), "token_type": "Bearer", "expires_in": 60 })
}

/// A job that was made at this time of the Unix epoch.
fn job(made: Duration, now: Duration) -> Answer {
    let id = made.as_millis();
    let is_new = made == now;
    let is_done = now.saturating_sub(made) >= JOB_TIME;
    let state = if is_done { "done" } else { "running" };
    let mut answer = data(
        if is_new { 202 } else { 200 },
        &json!({ "id": id.to_string(), "state": state }),
    );
    if is_new {
        answer.fields = format!("Location: /jobs/{id}\r\n");
    }
    answer
}

fn page(title: &str, body: &str) -> Answer {
    let text = format!(
        "<!doctype html>\n<title>{title}</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n\
         <img src=\"/logo.svg\" alt=\"\">\n<h1>{title}</h1>\n{body}"
    );
    content(200, HTML, text)
}

fn data(status: u16, value: &Value) -> Answer {
    content(status, JSON, format!("{value}\n"))
}

fn redirect(status: u16, to: &str, fields: &str) -> Answer {
    Answer {
        fields: format!("Location: {to}\r\n{fields}"),
        ..content(status, "text/plain", String::new())
    }
}

fn content(status: u16, kind: &'static str, body: String) -> Answer {
    Answer {
        status,
        kind,
        fields: String::new(),
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, head fields and body of an answer; `request` is a method, a target and the rest.
    fn ask(request: &str) -> (u16, String, String) {
        let (line, rest) = request.split_once('\n').unwrap_or((request, "\n"));
        let (fields, body) = rest.split_once('\n').unwrap_or((rest, ""));
        let fields = if fields.is_empty() {
            String::new()
        } else {
            format!("{fields}\r\n")
        };
        let text = format!("{line} HTTP/1.1\r\n{fields}\r\n{body}");
        let now = UNIX_EPOCH + Duration::from_millis(5_000);
        match answer(text.as_bytes(), now) {
            Some(answer) => (answer.status, answer.fields, answer.body),
            None => (0, String::new(), String::new()),
        }
    }

    #[test]
    fn every_page_answers_as_its_help_says() {
        let rows: [(&str, u16, &str, &str); 26] = [
            ("GET /news", 200, "", "href=\"/news/5\""),
            ("GET /news/5", 200, "", "article 5"),
            ("GET /news/6", 0, "", ""),
            ("GET /login", 200, "", "name=\"csrf\" value=\""),
            (
                "POST /login\n\nuser=ann&password=x",
                302,
                "Set-Cookie: session=ann;",
                "",
            ),
            ("POST /login\n\n{\"user\":\"bob\"}", 302, "session=bob;", ""),
            ("POST /login\n\nuser=a%0d%0ab", 302, "session=ab;", ""),
            (
                "POST /login\n\nuser=ann&password=wrong",
                403,
                "",
                "wrong password",
            ),
            (
                "GET /account\nCookie: a=b; session=ann\n",
                200,
                "",
                "Hello ann",
            ),
            (
                "GET /account\nCookie: a=b\n",
                302,
                "Location: /login\r\n",
                "",
            ),
            ("POST /logout", 303, "Max-Age=0", ""),
            ("POST /cart\n\n{\"item\":7}", 200, "", "\"id\":"),
            ("POST /pay", 302, "Location: /news\r\n", ""),
            ("GET /items?page=10", 200, "", "\"next\":null"),
            ("GET /items?page=2&size=30", 200, "", "\"next\":3"),
            ("GET /items/100", 200, "", "\"id\":100"),
            ("GET /items/101", 404, "", "no such item"),
            ("POST /items\n\n{}", 201, "Location: /items/", "\"id\":"),
            ("DELETE /items/1", 204, "", ""),
            ("GET /search?q=lamp+1", 200, "", "\"name\":\"lamp 10\""),
            ("POST /token\n\nx", 200, "", "\"access_token\":\"t-"),
            ("GET /private\nauthorization: Bearer t-9\n", 200, "", "42"),
            (
                "GET /private",
                401,
                "WWW-Authenticate: Bearer",
                "no valid token",
            ),
            (
                "POST /graphql\n\n{\"query\":\"{}\",\"variables\":{\"first\":1}}",
                200,
                "",
                "\"id\":1,",
            ),
            ("POST /graphql\n\n[]", 400, "", "no query"),
            ("GET /items/1/2", 0, "", ""),
        ];
        for (request, status, field, part) in rows {
            let (found, fields, body) = ask(request);
            assert_eq!(found, status, "{request}: {body}");
            assert!(fields.contains(field), "{request}: {fields}");
            assert!(body.contains(part), "{request}: {body}");
        }
    }

    #[test]
    fn a_job_is_done_after_a_while() {
        let (status, fields, body) = ask("POST /jobs");
        assert_eq!((status, &*fields), (202, "Location: /jobs/5000\r\n"));
        assert!(body.contains("running"));
        for (id, state) in [("4701", "running"), ("4700", "done")] {
            let (status, _, body) = ask(&format!("GET /jobs/{id}"));
            assert_eq!(status, 200);
            assert!(body.contains(state), "{id}: {body}");
        }
    }
}
