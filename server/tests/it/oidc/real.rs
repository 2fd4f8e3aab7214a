//! A whole sign-in through the login form of a real provider.

use super::{Served, session};
use crate::client::{Reply, Result, send};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use testkit::need::{need, program};

/// Where people reach the server under test.
const URL: &str = "http://load.example.com";

struct Provider {
    child: Child,
    issuer: String,
    /// Open as long as it runs, for what else it prints.
    _output: BufReader<ChildStdout>,
}

impl Provider {
    /// `None`, said loudly, where it cannot run.
    fn start() -> Result<Option<Provider>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/browser");
        let node = program("node");
        let is_there = folder.join("node_modules/oidc-provider").is_dir();
        let Some(node) = node.filter(|_| need("oidc-provider (cargo xtask setup)", is_there))
        else {
            need("node (apt-get install nodejs)", program("node").is_some());
            return Ok(None);
        };
        let mut child = Command::new(node)
            .arg(folder.join("provider.mjs"))
            .arg(format!("{URL}/oidc/callback"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().ok_or("its output")?);
        let mut line = String::new();
        while !line.starts_with("http://") {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                return Err("the provider does not start".into());
            }
        }
        Ok(Some(Provider {
            child,
            issuer: line.trim_end().to_owned(),
            _output: output,
        }))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser at the provider, as far as its pages need one.
struct Browser {
    addr: SocketAddr,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn request(&mut self, method: &str, path: &str, form: &str) -> Result<Reply> {
        let cookies = self.cookies.iter();
        let cookies: Vec<_> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let (cookies, host) = (cookies.join("; "), self.addr.to_string());
        let headers = [
            ("host", host.as_str()),
            ("cookie", &cookies),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let reply = send(self.addr, method, path, &headers, form.as_bytes())?;
        let lines = reply.head.lines().filter_map(|line| line.split_once(": "));
        for (_, line) in lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let pair = line.split(';').next().and_then(|pair| pair.split_once('='));
            let (name, value) = pair.ok_or("a cookie")?;
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Ok(reply)
    }

    /// Goes from page to page, signs in and consents, until it is sent back.
    fn sign_in(&mut self, start: &str, name: &str) -> Result<String> {
        let origin = format!("http://{}", self.addr);
        let mut path = start.trim_start_matches(&origin).to_owned();
        for _ in 0..12 {
            let mut reply = self.request("GET", &path, "")?;
            if reply.status == 200 {
                let prompts = ["login", "consent"].map(|prompt| {
                    let field = format!("name=\"prompt\" value=\"{prompt}\"");
                    reply.text().contains(&field).then_some(prompt)
                });
                let prompt = prompts.into_iter().flatten().next();
                let prompt = prompt.ok_or_else(|| format!("a form: {}", reply.text()))?;
                let form = format!("prompt={prompt}&login={name}&password=x");
                reply = self.request("POST", &path, &form)?;
            }
            let location = reply
                .header("location")
                .ok_or_else(|| format!("{path}: {} {}", reply.status, reply.text()))?;
            if let Some(back) = location.strip_prefix(URL) {
                return Ok(back.to_owned());
            }
            path = location.trim_start_matches(&origin).to_owned();
        }
        Err("the provider never sends the browser back".into())
    }
}

#[test]
fn a_real_provider_signs_people_in() -> Result {
    let Some(provider) = Provider::start()? else {
        return Ok(());
    };
    let served = Served::start(&provider.issuer, Some("roles"), Some(URL))?;
    let (cookie, sent) = served.begin("%2Faccount")?;
    let mut browser = Browser {
        addr: provider.issuer.trim_start_matches("http://").parse()?,
        cookies: BTreeMap::new(),
    };
    let back = browser.sign_in(&sent.0, "berta")?;
    let reply = served.get(&back, &cookie)?;
    assert_eq!(reply.status, 303, "{}", reply.text());
    assert_eq!(reply.header("location"), Some("/account"));
    let session = session(&reply).ok_or("a session")?;
    let visitor: Value = serde_json::from_str(&served.get("/api/v1/visitor", &session)?.text())?;
    assert_eq!(visitor["name"], "berta");
    assert_eq!(visitor["roles"], json!({"shop": "manager"}));
    // neither the code nor the cookie counts again
    assert_eq!(served.get(&back, &cookie)?.status, 403);
    Ok(())
}
