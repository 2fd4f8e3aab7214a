//! `proxy` and `no_proxy`: what they mean, and what is refused.

use super::{LOAD, RUN, check, plan};
use crate::profile::ReadOptions;
use crate::{Errors, Origin, Plan, VariableSource, Variables};
use std::path::Path;

fn with(connections: &str) -> String {
    format!("{RUN}[connections]\n{connections}\n{LOAD}")
}

/// The proxies of a plan for an http and an https server.
fn proxies(plan: &Plan, urls: [&str; 2]) -> [Option<String>; 2] {
    urls.map(|url| {
        let origin = Origin::parse(url).expect("a server");
        let proxy = plan.connections.proxies.proxy_for(&origin);
        proxy.map(ToString::to_string)
    })
}

/// As it is read where the environment has these variables.
fn read_in(text: &str, environment: &[(&str, &str)]) -> Result<Plan, Errors> {
    let mut variables = Variables::default();
    for (name, value) in environment {
        variables.set(name, value, VariableSource::Environment);
    }
    let options = ReadOptions {
        variables,
        ..ReadOptions::default()
    };
    let text = text.replace("script = \"s.lua\"", "script_text = \"return {}\"");
    options.read(text.as_bytes(), Path::new("p.toml"))
}

#[test]
fn a_proxy_of_the_profile_is_for_all_servers() {
    let urls = ["http://127.0.0.1:8080", "https://shop.example"];
    let plan = plan(&with(
        "proxy = \"socks5h://ann:pass@p\"\nno_proxy = [\".example\"]",
    ));
    let expected = [Some("socks5h://p:1080".to_owned()), None];
    assert_eq!(proxies(&plan, urls), expected);
    let redactor = plan.variables.redactor();
    assert_eq!(redactor.text("socks5h://ann:pass@p"), "socks5h://***@p");
}

#[test]
fn the_environment_names_proxies_unless_the_profile_does() {
    let urls = ["http://a.test", "https://b.test"];
    let variables = [("HTTP_PROXY", "http://ann:pass@h:1"), ("NO_PROXY", "c")];
    let through = |text: &str| {
        let plan = read_in(text, &variables).unwrap_or_else(|e| panic!("{e}"));
        proxies(&plan, urls)
    };
    let h = Some("http://h:1".to_owned());
    assert_eq!(through(&format!("{RUN}{LOAD}")), [h.clone(), None]);
    assert_eq!(through(&with("pool = \"shared\"")), [h.clone(), None]);
    assert_eq!(through(&with("proxy = \"environment\"")), [h, None]);
    assert_eq!(through(&with("no_proxy = [\"a.test\"]")), [None, None]);
    assert_eq!(through(&with("proxy = \"none\"")), [None, None]);
    let own = Some("http://own:80".to_owned());
    assert_eq!(through(&with("proxy = \"http://own\"")), [own.clone(), own]);
    let plan = read_in(&format!("{RUN}{LOAD}"), &variables).unwrap();
    assert_eq!(plan.variables.redactor().text("ann:pass"), "***");
}

#[test]
fn a_wrong_variable_is_told_unless_it_is_not_used() {
    let variables = [("https_proxy", "socks4://h:1")];
    let error = read_in(&format!("{RUN}{LOAD}"), &variables).unwrap_err();
    let text = error.to_string();
    let expected = "https_proxy: found the scheme \"socks4\"";
    assert!(text.starts_with(expected), "{text}");
    assert!(read_in(&with("proxy = \"none\""), &variables).is_ok());
}

#[test]
fn what_is_no_proxy_is_refused_without_its_password() {
    check(
        &with("proxy = \"http://ann:pass/word@p\""),
        &["5:9: found a proxy with credentials that cannot be read"],
    );
    check(
        &with("proxy = [\"http://ann:pass@p\"]"),
        &["5:9: found no text, expected \"environment\", \"none\" or the URL"],
    );
    check(
        &with("proxy = \"sock5://p\""),
        &[
            "5:9: found the scheme \"sock5\", expected http, https, socks5 or socks5h; did you mean socks5?",
        ],
    );
    check(
        &with("no_proxy = \"a\""),
        &["5:12: found \"a\", expected a list of hosts"],
    );
    check(
        &with("no_proxy = [\"a\", \"http://b\", 1]"),
        &[
            "5:18: found \"http://b\", expected a host",
            "5:30: found the number 1",
        ],
    );
}
