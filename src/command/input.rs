//! The plan of a run: from a profile, standard input or a URL, with variables and changes.

use super::console::{self, Stream};
use super::exit::{Exit, Failure};
use super::one_liner::{self, MadeProfile, toml_text};
use crate::cli::{InputArguments, RequestArguments};
use anyhow::anyhow;
use config::{Override, Plan, RateFunction, ReadOptions, VariableSource, Variables};
use std::path::Path;
use std::time::Duration;

/// What messages call a profile from standard input.
const STDIN: &str = "stdin";
/// What messages call a profile that is made from arguments.
const ARGUMENTS: &str = "arguments";

/// Reads what the arguments name and applies their changes.
///
/// # Errors
/// Everything that is wrong with them.
pub fn plan(arguments: &InputArguments) -> Result<Plan, Failure> {
    let seed = one_liner::seed_number(arguments.changes.seed)?;
    let source = arguments.source.as_path();
    let is_url = one_liner::is_url(source);
    let mut options = ReadOptions {
        functions: &rates,
        variables: variables(arguments)?,
        overrides: overrides(arguments, is_url, seed),
        labels: Vec::new(),
    };
    let read = if is_url {
        let MadeProfile { text, labels } = one_liner::profile(arguments, seed)?;
        options.labels = labels;
        options.read(text.as_bytes(), Path::new(ARGUMENTS))
    } else {
        refuse_request(&arguments.request)?;
        refuse_other_sources(source)?;
        match source == Path::new("-") {
            true => options.read(std::io::stdin().lock(), Path::new(STDIN)),
            false => options.load(source),
        }
    };
    let plan = read.map_err(Failure::usage)?;
    let mut plan = changed(plan, arguments, is_url)?;
    plan.overrides = told(arguments, is_url, seed);
    let redactor = plan.variables.redactor();
    redactor.hide(&mut plan.name);
    for threshold in &mut plan.thresholds {
        // what they are of is hidden where it is recorded, too
        let names = threshold.name.iter_mut().chain(&mut threshold.tag);
        names
            .chain([&mut threshold.text])
            .for_each(|text| redactor.hide(text));
    }
    console::hide_secrets(redactor);
    Ok(plan)
}

/// Prints the profile that a URL stands for.
///
/// # Errors
/// It is not a URL, or something is wrong with its options.
pub fn print_profile(arguments: &InputArguments) -> Result<Exit, Failure> {
    if !one_liner::is_url(&arguments.source) {
        return Err(Failure::usage(anyhow!(
            "--print-profile: found the profile {}, expected a URL",
            arguments.source.display()
        )));
    }
    // what cannot be run is not worth to be kept
    plan(arguments)?;
    let seed = one_liner::seed_number(arguments.changes.seed)?;
    let made = one_liner::profile(arguments, seed)?;
    let more = told(arguments, true, seed);
    if !more.is_empty() {
        Stream::Out.print(&format!("# run it with: {}\n", more.join(" ")));
    }
    Stream::Out.print(&made.text);
    Ok(Exit::Done)
}

fn rates(function: &RateFunction<'_>) -> Result<Vec<f64>, String> {
    let source = scripting::Source {
        path: function.script.path,
        text: function.script.text,
        variables: function.variables.iter().collect(),
    };
    scripting::rates(source, function.name, function.seconds)
}

/// The environment, the files of variables and the arguments.
fn variables(arguments: &InputArguments) -> Result<Variables, Failure> {
    let mut variables = Variables::default();
    for (name, value) in std::env::vars_os() {
        // what is not text cannot be used in a profile
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
            variables.set(name, value, VariableSource::Environment);
        }
    }
    for path in &arguments.changes.env_file {
        let failed =
            |what: String| Failure::usage(anyhow!("--env-file {}: {what}", path.display()));
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| failed(format!("cannot read the file: {error}")))?;
        for (number, line) in (1..).zip(text.lines()) {
            let wrong = || {
                failed(format!(
                    "line {number}: expected KEY=VALUE, with letters, digits and underscores in KEY"
                ))
            };
            if let Some((name, value)) = assignment(line).ok_or_else(wrong)? {
                variables.set(name, value, VariableSource::File);
            }
        }
    }
    for (name, value) in &arguments.changes.variables {
        variables.set(name, value, VariableSource::Argument);
    }
    Ok(variables)
}

/// A line of a file of variables: `KEY=VALUE`, with `export` before it and quotes around the value
/// if it comes from a shell. `Some(None)` for an empty line or a comment, `None` for anything else.
fn assignment(line: &str) -> Option<Option<(&str, &str)>> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.is_empty() || line.starts_with('#') {
        return Some(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inside = quote.and_then(|quote| value[1..].strip_suffix(quote));
    Variables::is_name(name).then_some(Some((name, inside.unwrap_or(value))))
}

/// The changes of the profile's keys. What a URL's own profile has already is left out.
fn overrides(arguments: &InputArguments, is_url: bool, seed: Option<u64>) -> Vec<Override> {
    let (load, changes) = (&arguments.load, &arguments.changes);
    let mut overrides = Vec::new();
    let mut add = |path: &str, value: Option<String>, label: &str| {
        if let Some(value) = value {
            let (path, label) = (path.to_owned(), label.to_owned());
            overrides.push(Override { path, value, label });
        }
    };
    if !is_url {
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        let name = changes.name.as_deref().map(toml_text);
        add("run.name", name, "--name");
        add("run.seed", number(seed), "--seed");
        let proxy = changes.proxy.as_deref().map(toml_text);
        add("connections.proxy", proxy, "--proxy");
        add("run.requests_max", number(load.requests), "--requests");
        add(
            "run.iterations_max",
            number(load.iterations),
            "--iterations",
        );
    }
    for (path, value) in &changes.set {
        add(path, Some(value.clone()), &format!("--set {path}={value}"));
    }
    overrides
}

/// The plan with another target and scaled loads.
fn changed(mut plan: Plan, arguments: &InputArguments, is_url: bool) -> Result<Plan, Failure> {
    let at = |option: &'static str| {
        move |message: String| Failure::usage(anyhow!("{option}: {message}"))
    };
    if let Some(target) = &arguments.changes.target {
        plan = plan.with_target(target).map_err(at("--target"))?;
    }
    let load = &arguments.load;
    if is_url {
        return Ok(plan);
    }
    if let Some(rate) = &load.rate {
        plan = plan.with_rate(rate.value).map_err(at("--rate"))?;
    }
    if let Some(users) = load.users {
        plan = plan.with_users(users).map_err(at("--users"))?;
    }
    if let Some(length) = &load.duration {
        let length = Duration::from_secs_f64(length.value);
        plan = plan.with_duration(length).map_err(at("--duration"))?;
    }
    Ok(plan)
}

/// What the run was changed by, as it is kept with it.
fn told(arguments: &InputArguments, is_url: bool, seed: Option<u64>) -> Vec<String> {
    let (load, changes) = (&arguments.load, &arguments.changes);
    let mut told = Vec::new();
    let mut add = |option: &str, value: Option<String>| {
        told.extend(value.map(|value| format!("{option} {}", shell_word(&value))));
    };
    if !is_url {
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        add("--users", number(load.users));
        add("--rate", load.rate.as_ref().map(|rate| rate.text.clone()));
        let length = load.duration.as_ref();
        add("--duration", length.map(|length| length.text.clone()));
        add("--requests", number(load.requests));
        add("--iterations", number(load.iterations));
        add("--name", changes.name.clone());
        add("--seed", number(seed));
        add("--proxy", changes.proxy.clone());
    }
    add("--target", changes.target.clone());
    for (path, value) in &changes.set {
        add("--set", Some(format!("{path}={value}")));
    }
    for (name, value) in &changes.variables {
        add("-e", Some(format!("{name}={value}")));
    }
    for file in &changes.env_file {
        add("--env-file", Some(file.display().to_string()));
    }
    told
}

/// A word as a shell takes it.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:=,@%+".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Refuses options of a request where there is a profile, whose requests its script makes.
fn refuse_request(request: &RequestArguments) -> Result<(), Failure> {
    let given = [
        ("--method", request.method.is_some(), SCRIPT),
        (
            "--header",
            !request.header.is_empty(),
            "set [headers] in the profile, or --set",
        ),
        ("--body", request.body.is_some(), SCRIPT),
        ("--form", !request.form.is_empty(), SCRIPT),
        ("--json-body", request.json_body.is_some(), SCRIPT),
        ("--basic-auth", request.basic_auth.is_some(), SCRIPT),
        (
            "--pool",
            request.pool.is_some(),
            "use --set connections.pool=shared",
        ),
        (
            "--arrivals",
            request.arrivals.is_some(),
            "use --set load.arrivals=even",
        ),
    ];
    match given.into_iter().find(|(_, given, _)| *given) {
        None => Ok(()),
        Some((option, _, instead)) => Err(Failure::usage(anyhow!(
            "{option}: found a profile, expected a URL; {instead}"
        ))),
    }
}

const SCRIPT: &str = "the script of a profile makes its requests";

/// Refuses what looks like a URL but is none, before it is looked for as a file.
fn refuse_other_sources(source: &Path) -> Result<(), Failure> {
    let text = source.to_string_lossy();
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(Failure::usage(anyhow!(
            "{text}: found the scheme {scheme:?}, expected http:// or https://, or the path of a \
             profile"
        )));
    }
    let host = text.split('/').next().unwrap_or_default();
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    if (has_port || host == "localhost") && !source.exists() {
        return Err(Failure::usage(anyhow!(
            "{text}: found no such profile; did you mean http://{text}?"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_variable_files_are_assignments() {
        let rows = [
            ("", Some(None)),
            ("  # note", Some(None)),
            ("A=1", Some(Some(("A", "1")))),
            ("export B_2 = two words ", Some(Some(("B_2", "two words")))),
            ("C=\"a=b \"", Some(Some(("C", "a=b ")))),
            ("D='", Some(Some(("D", "'")))),
            ("E=", Some(Some(("E", "")))),
            ("A", None),
            ("2A=1", None),
            ("A B=1", None),
        ];
        for (line, expected) in rows {
            assert_eq!(assignment(line), expected, "{line:?}");
        }
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(shell_word("run.timeout=5s"), "run.timeout=5s");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
