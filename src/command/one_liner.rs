//! A URL and its options as a profile, with its script inside.

use super::exit::Failure;
use crate::cli::{InputArguments, RequestArguments, Seed};
use anyhow::anyhow;
use config::{Origin, TextPart};
use std::ops::Range;
use std::path::Path;

/// The load without options, as users of similar tools know it.
const USERS: u64 = 10;
const DURATION: &str = "10s";
/// The length of a load that a number of requests ends.
const DURATION_OF_COUNT: &str = "1h";
/// Longest text of a file that becomes part of the script; others are read when they are sent.
const INLINE_BYTES_MAX: usize = 16 << 10;
/// Longest name of a run, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// Methods with a function of their own.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// A profile made from arguments.
#[derive(Debug, Default)]
pub struct MadeProfile {
    /// TOML.
    pub text: String,
    /// Which argument a part of the text comes from.
    pub labels: Vec<(Range<usize>, String)>,
}

/// Whether an argument is a URL rather than a path.
pub fn is_url(source: &Path) -> bool {
    let text = source.to_string_lossy();
    let scheme = text.get(..8).unwrap_or(&text).to_ascii_lowercase();
    scheme.starts_with("http://") || scheme.starts_with("https://")
}

/// The profile that a URL and its options stand for.
///
/// # Errors
/// Options that do not fit each other or the URL; begins with the option.
pub fn profile(arguments: &InputArguments, seed: Option<u64>) -> Result<MadeProfile, Failure> {
    let url = Url::parse(&arguments.source.to_string_lossy())?;
    let (load, request) = (&arguments.load, &arguments.request);
    if load.users.is_some() && load.rate.is_some() {
        return Err(wrong(
            "--users, --rate",
            "found both, expected one: --users is a closed load, --rate an open one",
        ));
    }
    let script = script(&url, request)?;
    let mut made = MadeProfile::default();
    let name = arguments.changes.name.as_deref();
    made.line("[run]", "");
    made.key("name", &toml_text(name.unwrap_or(&url.name())), "--name");
    made.key("target", &toml_text(&url.origin), &url.text);
    if let Some(seed) = seed {
        made.key("seed", &seed.to_string(), "--seed");
    }
    if let Some(requests) = load.requests {
        made.key("requests_max", &requests.to_string(), "--requests");
    }
    if let Some(iterations) = load.iterations {
        made.key("iterations_max", &iterations.to_string(), "--iterations");
    }
    made.line(&format!("script_text = '''\n{script}'''"), "");
    let pool = request.pool.map_or("shared", |pool| pool.as_str());
    made.line("\n[connections]", "");
    made.key("pool", &toml_text(pool), "--pool");
    if let Some(proxy) = &arguments.changes.proxy {
        made.key("proxy", &toml_text(proxy), "--proxy");
    }
    made.headers(request)?;
    made.load(arguments);
    Ok(made)
}

/// A fresh seed, short enough to be typed.
///
/// # Errors
/// The kernel has no random numbers.
pub fn seed_number(seed: Option<Seed>) -> Result<Option<u64>, Failure> {
    match seed {
        None => Ok(None),
        Some(Seed::Number(number)) => Ok(Some(number)),
        Some(Seed::Random) => {
            let random = getrandom::u32().map_err(Failure::failed)?;
            Ok(Some(u64::from(random)))
        }
    }
}

impl MadeProfile {
    /// Adds a line; its problems are told of the argument `label`, if there is one.
    fn line(&mut self, line: &str, label: &str) {
        let start = self.text.len();
        self.text.push_str(line);
        if !label.is_empty() {
            self.labels.push((start..self.text.len(), label.to_owned()));
        }
        self.text.push('\n');
    }

    fn key(&mut self, key: &str, value: &str, label: &str) {
        self.line(&format!("{key} = {value}"), label);
    }

    fn headers(&mut self, request: &RequestArguments) -> Result<(), Failure> {
        let mut known: Vec<String> = Vec::new();
        for (name, value) in &request.header {
            let lower = name.to_ascii_lowercase();
            if known.contains(&lower) {
                let label = format!("--header '{name}: {value}'");
                return Err(wrong(
                    &label,
                    "found the header twice, expected each name once",
                ));
            }
            if known.is_empty() {
                self.line("\n[headers]", "");
            }
            known.push(lower);
            if !is_host(name) {
                let label = format!("--header '{name}: {value}'");
                self.key(&toml_text(name), &toml_text(value), &label);
            }
        }
        Ok(())
    }

    fn load(&mut self, arguments: &InputArguments) {
        let load = &arguments.load;
        let default = match load.requests.or(load.iterations) {
            Some(_) => DURATION_OF_COUNT,
            None => DURATION,
        };
        let given = load.duration.as_ref().map(|length| length.text.as_str());
        let length = given.unwrap_or(default);
        self.line("\n[[load]]", "");
        match &load.rate {
            Some(rate) => {
                self.line("model = \"open\"\nscenarios = \"main\"", "");
                if let Some(arrivals) = arguments.request.arrivals {
                    self.key("arrivals", &toml_text(arrivals.as_str()), "--arrivals");
                }
                let phase = format!("[{{ rate = \"{}\", for = \"{length}\" }}]", rate.text);
                self.key("phases", &phase, "--rate");
            }
            None => {
                self.line("model = \"closed\"\nscenarios = \"main\"", "");
                let users = load.users.unwrap_or(USERS);
                let phase = format!("[{{ users = {users}, for = \"{length}\" }}]");
                self.key("phases", &phase, "--users");
            }
        }
    }
}

/// A URL, divided into what the profile and what the script says.
struct Url {
    text: String,
    /// Scheme, host and port.
    origin: String,
    /// Path and query, beginning with a slash.
    path: String,
}

impl Url {
    fn parse(text: &str) -> Result<Url, Failure> {
        let after_scheme = text.find("://").map_or(0, |at| at + 3);
        let rest = &text[after_scheme..];
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') && !authority.contains("${") {
            // it may contain a password, so it is not shown
            return Err(wrong(
                "the URL",
                "found a user name before the host, expected --basic-auth NAME:PASSWORD",
            ));
        }
        let origin = format!("{}{authority}", &text[..after_scheme]);
        if authority.is_empty() {
            return Err(wrong(
                text,
                "found no host, expected http[s]://host[:port][/path]",
            ));
        }
        if !authority.contains("${") {
            Origin::parse(&origin).map_err(|message| wrong(text, &message))?;
        }
        let path = path.split('#').next().unwrap_or_default();
        if let Some(bad) = path.chars().find(|c| c.is_whitespace() || c.is_control()) {
            let message = format!("found {bad:?}, expected it percent-encoded");
            return Err(wrong(text, &message));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Url {
            text: text.to_owned(),
            origin,
            path: format!("{slash}{path}"),
        })
    }

    /// The name of the run: host, port and path.
    fn name(&self) -> String {
        let (_, authority) = self.origin.split_once("://").unwrap_or_default();
        let path = self.path.split('?').next().unwrap_or_default();
        let name = format!("{authority}{}", path.trim_end_matches('/'));
        let end = name.char_indices().map(|(at, c)| at + c.len_utf8());
        let end = end.take_while(|end| *end <= NAME_BYTES_MAX).last();
        name[..end.unwrap_or(0)].to_owned()
    }
}

/// The script: one scenario of one request.
fn script(url: &Url, request: &RequestArguments) -> Result<String, Failure> {
    let mut options = body_options(request)?;
    if let Some((name, password)) = &request.basic_auth {
        let name = lua_value(name, "--basic-auth")?;
        let password = lua_value(password, "--basic-auth")?;
        options.push(format!("basic_auth = {{ {name}, {password} }}"));
    }
    let host = request.header.iter().find(|(name, _)| is_host(name));
    let mut headers = Vec::new();
    if let Some((_, host)) = host {
        headers.push(format!("host = {}", lua_value(host, "--header")?));
    }
    let has_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
    if request.json_body.is_some() && !request.header.iter().any(has_type) {
        headers.push("[\"content-type\"] = \"application/json\"".to_owned());
    }
    if !headers.is_empty() {
        options.push(format!("headers = {{ {} }}", headers.join(", ")));
    }
    let has_body = request.body.is_some() || request.json_body.is_some();
    let default = match has_body || !request.form.is_empty() {
        true => "POST",
        false => "GET",
    };
    let method = request.method.as_deref().unwrap_or(default);
    let upper = method.to_ascii_uppercase();
    let path = lua_value(&url.path, &url.text)?;
    let call = match METHODS.contains(&upper.as_str()) {
        true => format!("user:{}({path}", upper.to_ascii_lowercase()),
        false => format!("user:request({}, {path}", lua_text(method)),
    };
    let (before, argument) = match options.is_empty() {
        true => (String::new(), ""),
        false => {
            let lines: String = options.iter().map(|one| format!("  {one},\n")).collect();
            (format!("local options = {{\n{lines}}}\n\n"), ", options")
        }
    };
    Ok(format!(
        "{before}return {{\n  main = function(user)\n    {call}{argument})\n  end,\n}}\n"
    ))
}

fn body_options(request: &RequestArguments) -> Result<Vec<String>, Failure> {
    if !request.form.is_empty() {
        let field = |(name, value): &(String, String)| {
            let name = lua_value(name, "--form")?;
            Ok(format!("{{ {name}, {} }}", lua_value(value, "--form")?))
        };
        let fields = request.form.iter().map(field);
        let fields = fields.collect::<Result<Vec<_>, Failure>>()?;
        return Ok(vec![format!("form = {{ {} }}", fields.join(", "))]);
    }
    let (option, body) = match (&request.body, &request.json_body) {
        (Some(body), _) => ("--body", body),
        (None, Some(body)) => ("--json-body", body),
        (None, None) => return Ok(Vec::new()),
    };
    let is_json = option == "--json-body";
    let check = |text: &[u8]| match serde_json::from_slice::<serde_json::Value>(text) {
        Err(error) if is_json => Err(wrong(option, &format!("found no JSON: {error}"))),
        _ => Ok(()),
    };
    match body.strip_prefix('@') {
        Some(file) => {
            let label = format!("{option} @{file}");
            let content = std::fs::read(file);
            let content =
                content.map_err(|e| wrong(&label, &format!("cannot read the file: {e}")))?;
            check(&content)?;
            Ok(match String::from_utf8(content) {
                Ok(text) if text.len() <= INLINE_BYTES_MAX => {
                    vec![format!("body = {}", lua_text(&text))]
                }
                _ => vec![format!("body_file = {}", lua_text(file))],
            })
        }
        None => {
            if !body.contains("${") {
                check(body.as_bytes())?;
            }
            Ok(vec![format!("body = {}", lua_value(body, option)?)])
        }
    }
}

/// `Host` is of each request, the other headers are of the profile.
fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host")
}

/// A text with variables as a Lua expression.
fn lua_value(text: &str, label: &str) -> Result<String, Failure> {
    let parts = TextPart::parse(text).map_err(|message| wrong(label, &message))?;
    let part = |part: TextPart| match part {
        TextPart::Text(text) => lua_text(&text),
        TextPart::Variable {
            name,
            default: None,
        } => {
            format!(
                "assert(env.{name}, {})",
                lua_text(&format!("{name} is not set"))
            )
        }
        TextPart::Variable {
            name,
            default: Some(default),
        } => format!("(env.{name} or {})", lua_text(&default)),
    };
    let parts: Vec<String> = parts.into_iter().map(part).collect();
    match parts.is_empty() {
        true => Ok("\"\"".to_owned()),
        false => Ok(parts.join(" .. ")),
    }
}

/// A Lua string that can stand within a literal string of TOML.
fn lua_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            // three of them would end the string of TOML
            '\'' => quoted.push_str("\\39"),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\{:03}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A TOML string.
pub fn toml_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn wrong(label: &str, message: &str) -> Failure {
    Failure::usage(anyhow!("{label}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arguments;
    use clap::Parser;

    fn made(arguments: &[&str]) -> Result<String, String> {
        let all = ["mistress", "run"].iter().chain(arguments);
        let parsed = Arguments::try_parse_from(all).map_err(|error| error.to_string())?;
        let crate::cli::Command::Run(run) = parsed.command else {
            return Err("not a run".to_owned());
        };
        profile(&run.input, None)
            .map(|made| made.text)
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_url_alone_is_a_closed_load_of_ten_users() {
        let expected = "[run]\nname = \"h:1/a/b\"\ntarget = \"http://h:1\"\nscript_text = '''\n\
            return {\n  main = function(user)\n    user:get(\"/a/b?c=1\")\n  end,\n}\n'''\n\n\
            [connections]\npool = \"shared\"\n\n\
            [[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
            phases = [{ users = 10, for = \"10s\" }]\n";
        assert_eq!(made(&["http://h:1/a/b?c=1#part"]).as_deref(), Ok(expected));
    }

    #[test]
    fn options_become_keys_and_lua() {
        let text = made(&[
            "https://h?x=it's",
            "--rate",
            "2k/s",
            "--arrivals",
            "even",
            "-n",
            "7",
            "-H",
            "X-Key: a\"b",
            "-H",
            "Host: other",
            "--json-body",
            "{\"a\": \"'''\\n\"}",
            "--basic-auth",
            "ann:${PASSWORD}:x",
            "--pool",
            "user",
            "-x",
            "socks5h://ann:${PASSWORD}@p",
        ])
        .unwrap();
        for part in [
            "target = \"https://h\"",
            "requests_max = 7",
            "pool = \"user\"",
            "proxy = \"socks5h://ann:${PASSWORD}@p\"",
            "\"X-Key\" = \"a\\\"b\"",
            "arrivals = \"even\"",
            "phases = [{ rate = \"2k/s\", for = \"1h\" }]",
            "  body = \"{\\\"a\\\": \\\"\\39\\39\\39\\\\n\\\"}\",\n",
            "basic_auth = { \"ann\", assert(env.PASSWORD, \"PASSWORD is not set\") .. \":x\" }",
            "headers = { host = \"other\", [\"content-type\"] = \"application/json\" }",
            "user:post(\"/?x=it\\39s\", options)",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let other = made(&["http://h", "-m", "purge", "--form", "a=1", "--form", "a=2"]).unwrap();
        assert!(
            other.contains("user:request(\"purge\", \"/\", options)"),
            "{other}"
        );
        assert!(
            other.contains("form = { { \"a\", \"1\" }, { \"a\", \"2\" } }"),
            "{other}"
        );
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_option() {
        let rows: [(&[&str], &str); 6] = [
            (
                &["http://h", "-u", "1", "-r", "1/s"],
                "--users, --rate: found both",
            ),
            (&["http:///x"], "http:///x: found no host"),
            (&["http://h:99999"], "http://h:99999: found the port"),
            (&["http://a:b@h/"], "the URL: found a user name"),
            (
                &["http://h", "--json-body", "{a"],
                "--json-body: found no JSON",
            ),
            (
                &["http://h", "-H", "A: 1", "-H", "a: 2"],
                "--header 'a: 2': found the header twice",
            ),
        ];
        for (arguments, expected) in rows {
            let error = made(arguments).unwrap_err();
            assert!(error.starts_with(expected), "{arguments:?}: {error}");
        }
    }
}
