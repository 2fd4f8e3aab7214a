//! The table `[run]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeValue;

use super::FileCheck;
use super::fail_on;
use super::fields::{self, Table, wrong};
use super::piece::LENGTH_MAX;
use crate::document::{Diagnostics, Span, Value};
use crate::expansion::SCRIPT_TEXT;
use crate::origin::Origin;
use crate::plan::{self, Cores, Data, Limits, Load, Plan, ScriptText, StatsSink, Target};
use crate::transport::{Connections, Tls};
use crate::variables::Variables;
use crate::web::Web;
use stats::threshold::{FailOn, Threshold};

const KEYS: [&str; 15] = [
    "name",
    "script",
    "script_text",
    "target",
    "seed",
    "cores",
    "timeout",
    "drain",
    "warmup",
    "time_max",
    "iterations_max",
    "requests_max",
    "fail_on",
    "stats",
    "on_node_loss",
];
/// More than any run can reach, and far below the range of the counters.
const COUNT_MAX: u64 = 1_000_000_000_000_000;
const SEED_DEFAULT: u64 = 1;
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// The upper end of the histograms: a longer wait could not be shown.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);
const DRAIN_DEFAULT: Duration = Duration::from_secs(30);
const DRAIN_MAX: Duration = Duration::from_secs(86_400);
const CORES_MAX: u64 = 1024;
const SCRIPT_ALLOWED: &str = "the path of a Lua script, relative to the profile";
/// Linux is built for at most 8192 cpus.
const CPU_ID_MAX: u64 = 8191;

/// `[run]` after validation.
pub(super) struct Run {
    name: String,
    script: PathBuf,
    script_text: Option<String>,
    target: Target,
    seed: u64,
    cores: Cores,
    timeout: Duration,
    drain: Duration,
    warmup: Duration,
    /// The position of the key, if present.
    warmup_span: Option<Span>,
    limits: Limits,
    fail_on: Vec<FailOn>,
    abort_on_node_loss: bool,
    stats: StatsSink,
}

impl Run {
    pub(super) fn script(&self) -> ScriptText<'_> {
        ScriptText {
            path: &self.script,
            text: self.script_text.as_deref(),
        }
    }

    /// Reports a warm-up that leaves nothing to measure.
    pub(super) fn refuse_long_warmup(&self, loads: &[Load], errors: &mut Diagnostics) {
        let length = plan::duration(loads, &self.limits);
        if let Some(span) = self.warmup_span.clone().filter(|_| self.warmup >= length) {
            let length = length.as_secs_f64();
            errors.found(
                span,
                format!(
                    "found a warm-up that is not shorter than the run of {length} s (`run.warmup`)"
                ),
            );
        }
    }

    pub(super) fn into_plan(
        self,
        path: &Path,
        text: &str,
        loads: Vec<Load>,
        thresholds: Vec<Threshold>,
        data: Vec<Data>,
    ) -> Plan {
        Plan {
            name: self.name,
            profile_path: path.to_owned(),
            profile_text: text.to_owned(),
            script: self.script,
            script_text: self.script_text,
            variables: Variables::default(),
            overrides: Vec::new(),
            target: self.target,
            seed: self.seed,
            cores: self.cores,
            timeout: self.timeout,
            drain: self.drain,
            warmup: self.warmup,
            limits: self.limits,
            stats: self.stats,
            web: Web::default(),
            tls: Tls::default(),
            connections: Connections::default(),
            loads,
            thresholds,
            fail_on: self.fail_on,
            abort_on_node_loss: self.abort_on_node_loss,
            data,
        }
    }
}

/// Reads `[run]`; `None` when something was reported.
pub(super) fn read(
    root: &Table<'_, '_>,
    path: &Path,
    check: FileCheck,
    errors: &mut Diagnostics,
) -> Option<Run> {
    let value = root.require("run", "the table [run]", errors)?;
    let table = &Table::from_value(value, "run", "a table: [run]", errors)?;
    table.refuse_unknown(errors, &KEYS);
    // All keys are read before a missing one ends the function, so that all problems are reported.
    let name = or(table.get("name"), default_name(path), |v| {
        fields::name(v, "run.name", errors).map(str::to_owned)
    });
    let script = match table.get(SCRIPT_TEXT) {
        Some(value) => read_script_text(table, value, path, errors),
        None => table
            .require("script", SCRIPT_ALLOWED, errors)
            .and_then(|value| read_script(value, path, check, errors))
            .map(|path| (path, None)),
    };
    let target = table
        .require(
            "target",
            "\"builtin\" or http[s]://host[:port][/base]",
            errors,
        )
        .and_then(|value| read_target(value, errors));
    let seed = or(table.get("seed"), SEED_DEFAULT, |v| {
        fields::whole(v, "run.seed", 0..=u64::MAX, errors)
    });
    let cores = or(table.get("cores"), Cores::Auto, |v| read_cores(v, errors));
    let timeout = or(table.get("timeout"), TIMEOUT_DEFAULT, |v| {
        let allowed = Duration::from_nanos(1)..=TIMEOUT_MAX;
        let limits = "a duration above zero and at most \"1h\"";
        fields::duration(v, "run.timeout", allowed, limits, errors)
    });
    let drain = or(table.get("drain"), DRAIN_DEFAULT, |v| {
        let allowed = Duration::ZERO..=DRAIN_MAX;
        let limits = "a duration of at most \"1d\"";
        fields::duration(v, "run.drain", allowed, limits, errors)
    });
    let warmup = read_warmup(table, errors);
    let warmup_span = table.get("warmup").map(|value| value.span());
    let limits = read_limits(table, errors);
    let fail_on = or(table.get("fail_on"), FailOn::DEFAULT.to_vec(), |v| {
        fail_on::read(v, errors)
    });
    let stats = or(table.get("stats"), StatsSink::Auto, |v| {
        read_stats(v, errors)
    });
    let abort_on_node_loss = read_on_node_loss(table, errors);
    let (script, script_text) = script?;
    Some(Run {
        name: name?,
        script,
        script_text,
        target: target?,
        seed: seed?,
        cores: cores?,
        timeout: timeout?,
        drain: drain?,
        warmup: warmup?,
        warmup_span,
        limits: limits?,
        fail_on: fail_on?,
        stats: stats?,
        abort_on_node_loss: abort_on_node_loss?,
    })
}

fn read_warmup(table: &Table<'_, '_>, errors: &mut Diagnostics) -> Option<Duration> {
    const LIMITS: &str = "whole seconds, at most \"1d\"";
    let Some(value) = table.get("warmup") else {
        return Some(Duration::ZERO);
    };
    let allowed = Duration::ZERO..=DRAIN_MAX;
    let warmup = fields::duration(value, "run.warmup", allowed, LIMITS, errors)?;
    match warmup.subsec_nanos() {
        0 => Some(warmup),
        _ => wrong(errors, value, "run.warmup", LIMITS),
    }
}

/// The limits that end the run before its phases do.
fn read_limits(table: &Table<'_, '_>, errors: &mut Diagnostics) -> Option<Limits> {
    let time = or(table.get("time_max"), None, |v| {
        let allowed = Duration::from_nanos(1)..=LENGTH_MAX;
        let limits = "a duration above zero and at most \"30d\"";
        fields::duration(v, "run.time_max", allowed, limits, errors).map(Some)
    });
    let mut count = |key: &str| {
        or(table.get(key), None, |v| {
            fields::whole(v, &format!("run.{key}"), 1..=COUNT_MAX, errors).map(Some)
        })
    };
    let (iterations, requests) = (count("iterations_max"), count("requests_max"));
    Some(Limits {
        time: time?,
        iterations: iterations?,
        requests: requests?,
    })
}

/// Reads a value, or returns `default` when there is none.
fn or<'d, 't, T>(
    value: Option<&'d Value<'t>>,
    default: T,
    read: impl FnOnce(&'d Value<'t>) -> Option<T>,
) -> Option<T> {
    match value {
        Some(value) => read(value),
        None => Some(default),
    }
}

/// The file's stem, turned into a valid name, because the file may be called anything.
fn default_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match fields::name_fault(&stem) {
        None => stem.into_owned(),
        Some(_) => "run".to_owned(),
    }
}

/// A script whose text is in the profile; its name in messages is that of the key.
fn read_script_text(
    table: &Table<'_, '_>,
    value: &Value<'_>,
    profile: &Path,
    errors: &mut Diagnostics,
) -> Option<(PathBuf, Option<String>)> {
    let text = fields::text(value, "run.script_text", "the text of a Lua script", errors)?;
    if table.get("script").is_some() {
        let message = "found both `script` and `script_text`, expected one of them".to_owned();
        errors.found(value.span(), message);
        return None;
    }
    let name = profile.parent().unwrap_or(Path::new("")).join(SCRIPT_TEXT);
    Some((name, Some(text.to_owned())))
}

fn read_script(
    value: &Value<'_>,
    profile: &Path,
    check: FileCheck,
    errors: &mut Diagnostics,
) -> Option<PathBuf> {
    let text = fields::text(value, "run.script", SCRIPT_ALLOWED, errors)?;
    if text.is_empty() || text.contains('\0') {
        return wrong(errors, value, "run.script", SCRIPT_ALLOWED);
    }
    let script = profile.parent().unwrap_or(Path::new("")).join(text);
    if check == FileCheck::MustExist {
        let fault = match script.metadata() {
            Ok(metadata) if metadata.is_file() => None,
            Ok(_) => Some("is not a file".to_owned()),
            Err(error) => Some(format!("cannot be read: {error}")),
        };
        if let Some(fault) = fault {
            let shown = crate::document::quoted(&script.to_string_lossy());
            errors.found(
                value.span(),
                format!("found the script {shown}, which {fault} (`run.script`)"),
            );
            return None;
        }
    }
    Some(script)
}

fn read_target(value: &Value<'_>, errors: &mut Diagnostics) -> Option<Target> {
    let allowed = "\"builtin\" or \"http[s]://host[:port][/base]\"";
    let text = fields::text(value, "run.target", allowed, errors)?;
    match Target::parse(text) {
        Ok(target) => Some(target),
        Err(message) => {
            errors.found(
                value.span(),
                format!("{message}, or \"builtin\" (`run.target`)"),
            );
            None
        }
    }
}

fn read_cores(value: &Value<'_>, errors: &mut Diagnostics) -> Option<Cores> {
    match value.get_ref() {
        DeValue::String(text) if text == "auto" => Some(Cores::Auto),
        DeValue::Integer(_) => fields::whole(value, "run.cores", 1..=CORES_MAX, errors)
            .map(|n| Cores::Count(n as usize)),
        DeValue::String(_) if errors.is_expanded(&value.span()) => {
            fields::whole(value, "run.cores", 1..=CORES_MAX, errors)
                .map(|n| Cores::Count(n as usize))
        }
        DeValue::Array(items) if !items.is_empty() => {
            let mut ids = Vec::new();
            let mut complete = true;
            for item in items.iter() {
                match fields::whole(item, "run.cores", 0..=CPU_ID_MAX, errors) {
                    Some(id) if ids.contains(&(id as usize)) => {
                        errors.found(item.span(), format!("found cpu {id} twice (`run.cores`)"));
                        complete = false;
                    }
                    Some(id) => ids.push(id as usize),
                    None => complete = false,
                }
            }
            complete.then_some(Cores::List(ids))
        }
        _ => {
            let allowed = "\"auto\", a number of cores, or a list of cpu ids such as [2, 3]";
            wrong(errors, value, "run.cores", allowed)
        }
    }
}

/// Whether the loss of a node ends the load of the others.
fn read_on_node_loss(table: &Table<'_, '_>, errors: &mut Diagnostics) -> Option<bool> {
    const ALLOWED: &str = "\"continue\" or \"abort\"";
    let Some(value) = table.get("on_node_loss") else {
        return Some(false);
    };
    match fields::text(value, "run.on_node_loss", ALLOWED, errors)? {
        "continue" => Some(false),
        "abort" => Some(true),
        _ => wrong(errors, value, "run.on_node_loss", ALLOWED),
    }
}

fn read_stats(value: &Value<'_>, errors: &mut Diagnostics) -> Option<StatsSink> {
    match value.get_ref() {
        DeValue::Boolean(false) => Some(StatsSink::Off),
        DeValue::String(text) if text == "auto" => Some(StatsSink::Auto),
        DeValue::String(text) if text == "off" => Some(StatsSink::Off),
        DeValue::String(text) => match Origin::parse(text) {
            Ok(_) => Some(StatsSink::Url(text.to_string())),
            Err(message) => {
                let message = format!("{message}, or \"auto\", or \"off\" (`run.stats`)");
                errors.found(value.span(), message);
                None
            }
        },
        _ => {
            let allowed = "\"auto\", \"http://host:port\" or \"off\"";
            wrong(errors, value, "run.stats", allowed)
        }
    }
}
