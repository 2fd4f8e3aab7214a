//! The report of a run: everything its outputs say, of a run that has just ended as of a kept one.
//!
//! JSON, CSV and JUnit are rendered here and nowhere else; text for terminals is the program's.
//! docs/result.schema.json describes the JSON.

mod annotation;
mod csv;
mod finding;
pub mod format;
mod junit;

pub use annotation::Annotation;

use crate::kinds::closed_enum;
use crate::second::Second;
use crate::summary::Summary;
use crate::verdict::Reason;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::io::{self, Write};
use wire::rendezvous::NodeFacts;
use wire::{ReasonRow, RunEnd, Span, ThresholdRow};

/// The report of a run.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// [`RunReport::SCHEMA`].
    pub schema: u32,
    /// What the run was.
    pub run: RunFacts,
    /// What was noticed about the machine, the files and the servers, each text once.
    pub notices: Vec<String>,
    /// The comment of its users on a stats server; empty for a run that has just ended.
    pub comment: String,
    /// Their annotations on its axis, by time.
    pub annotations: Vec<Annotation>,
    /// What was measured.
    pub summary: Summary,
}

impl RunReport {
    /// The version of the JSON result: raised when a field changes its meaning or goes, not when
    /// one is added.
    pub const SCHEMA: u32 = 2;

    /// The report of a run.
    pub fn new(run: RunFacts, notices: Vec<String>, summary: Summary) -> Self {
        RunReport {
            schema: Self::SCHEMA,
            run,
            notices,
            comment: String::new(),
            annotations: Vec::new(),
            summary,
        }
    }

    /// The JSON result, one line.
    pub fn to_json(&self) -> String {
        text(|out| self.write_json(out, self.own_series()))
    }

    /// Writes the JSON result with these seconds in place of its own, one after the other.
    ///
    /// # Errors
    /// Of `out`, or of a second.
    pub fn write_json<E: From<io::Error>>(
        &self,
        out: &mut dyn Write,
        seconds: impl Iterator<Item = Result<impl Borrow<Second>, E>>,
    ) -> Result<(), E> {
        Self::begin_json(
            out,
            &self.run,
            &self.notices,
            &self.comment,
            &self.annotations,
        )?;
        Self::end_json(out, &self.summary, seconds)
    }

    /// Writes how the JSON result begins: what is known before its figures are; then comes
    /// [`RunReport::end_json`].
    ///
    /// # Errors
    /// Of `out`.
    pub fn begin_json(
        out: &mut dyn Write,
        run: &RunFacts,
        notices: &[String],
        comment: &str,
        annotations: &[Annotation],
    ) -> io::Result<()> {
        #[derive(Serialize)]
        struct Head<'a> {
            schema: u32,
            run: &'a RunFacts,
            notices: &'a [String],
            #[serde(skip_serializing_if = "str::is_empty")]
            comment: &'a str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            annotations: &'a [Annotation],
        }
        let schema = Self::SCHEMA;
        let head = Head {
            schema,
            run,
            notices,
            comment,
            annotations,
        };
        out.write_all(fields(&head)?.as_bytes())
    }

    /// Writes the rest of the JSON result, with these seconds in place of the summary's own.
    ///
    /// # Errors
    /// Of `out`, or of a second.
    pub fn end_json<E: From<io::Error>>(
        out: &mut dyn Write,
        summary: &Summary,
        seconds: impl Iterator<Item = Result<impl Borrow<Second>, E>>,
    ) -> Result<(), E> {
        let rest = fields(summary)?;
        let rest = rest.strip_prefix('{').unwrap_or_default();
        write!(out, ",{rest},\"series\":[")?;
        for (number, second) in seconds.enumerate() {
            if number > 0 {
                out.write_all(b",")?;
            }
            serde_json::to_writer(&mut *out, second?.borrow()).map_err(io::Error::from)?;
        }
        Ok(out.write_all(b"]}\n")?)
    }

    fn own_series(&self) -> impl Iterator<Item = Result<&Second, io::Error>> {
        self.summary.series.iter().map(Ok)
    }

    /// The report that [`RunReport::to_json`] wrote, without its series.
    ///
    /// # Errors
    /// When the text is not a report of this schema.
    pub fn from_json(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
            run: RunFacts,
            #[serde(default)]
            notices: Vec<String>,
        }
        let invalid = |error: serde_json::Error| format!("not a JSON result: {error}");
        let Head {
            schema,
            run,
            notices,
        } = serde_json::from_str(text).map_err(invalid)?;
        if schema != Self::SCHEMA {
            return Err(format!(
                "a JSON result of schema {schema}; this version reads {}",
                Self::SCHEMA
            ));
        }
        // read on its own: numbers as keys are beyond serde's flattened fields
        let summary = serde_json::from_str(text).map_err(invalid)?;
        Ok(Self::new(run, notices, summary))
    }

    /// The series as CSV, without the warm-up.
    pub fn to_csv(&self) -> String {
        let known = self.summary.generator.cores.iter();
        let known = known.map(|core| (core.node, core.core));
        let rows = self.summary.series.iter().flat_map(|second| &second.cores);
        let cores = known.chain(rows.map(|core| (core.node, core.core)));
        text(|out| Self::write_csv(out, cores.collect(), false, self.own_series()))
    }

    /// Writes the seconds of a run as CSV, one after the other. `cores` are those of its
    /// generator, each by its node, in runs of several, and its number there.
    ///
    /// # Errors
    /// Of `out`, or of a second.
    pub fn write_csv<E: From<io::Error>>(
        out: &mut dyn Write,
        cores: BTreeSet<(Option<u32>, u32)>,
        with_warmup: bool,
        seconds: impl Iterator<Item = Result<impl Borrow<Second>, E>>,
    ) -> Result<(), E> {
        csv::write(out, cores, with_warmup, seconds)
    }

    /// Thresholds and checks as JUnit XML.
    pub fn to_junit(&self) -> String {
        junit::render(&self.run, &self.summary)
    }

    /// What a stats server is told at the end of the run.
    pub fn to_run_end(&self) -> RunEnd {
        let verdict = &self.summary.verdict;
        // the server has the series second by second
        let none = std::iter::empty::<Result<Second, io::Error>>();
        RunEnd {
            ended: self.run.ended.map_or("", Ending::as_str).to_owned(),
            duration_s: self.run.duration_s,
            verdict: verdict.state.as_str().to_owned(),
            reasons: verdict.reasons.iter().map(reason_row).collect(),
            notes: verdict.notes.iter().map(reason_row).collect(),
            thresholds: (self.summary.thresholds.iter())
                .filter(|result| result.is_shown())
                .map(|result| ThresholdRow {
                    text: result.text.clone(),
                    met: result.met,
                    value: result.value,
                    limit: result.limit,
                    first_missed_s: result.first_missed_s,
                    finding: result.finding(),
                })
                .collect(),
            summary_json: text(|out| self.write_json(out, none)),
        }
    }
}

/// The fields of an object as JSON, without the brace that ends it.
fn fields(object: &impl Serialize) -> io::Result<String> {
    let mut text = serde_json::to_string(object)?;
    text.pop();
    Ok(text)
}

/// What is written into memory.
fn text(write: impl FnOnce(&mut dyn Write) -> Result<(), io::Error>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).expect("memory takes all");
    String::from_utf8(bytes).expect("only text is written")
}

fn reason_row(reason: &Reason) -> ReasonRow {
    let span = |(first_s, last_s): &(u64, u64)| Span {
        first_s: *first_s,
        last_s: *last_s,
    };
    ReasonRow {
        kind: reason.kind.to_string(),
        text: reason.text.clone(),
        windows: reason.windows.iter().map(span).collect(),
        cores: reason.cores.clone(),
    }
}

/// What a run was: who, when, where, with what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFacts {
    /// The name from the profile.
    pub name: String,
    /// A UUID that sorts by time.
    pub id: String,
    /// When the load began, UTC, as `2026-11-22T22:45:06Z`.
    pub start: String,
    /// From the start of the load to its end, drain included, in seconds.
    pub duration_s: f64,
    /// What the plan's phases take together, in seconds.
    pub planned_s: f64,
    /// How much of its beginning is in no total, in seconds.
    pub warmup_s: u64,
    /// How it ended; none while it goes on.
    pub ended: Option<Ending>,
    /// The seed of every random choice.
    pub seed: u64,
    /// The address of the target.
    pub target: String,
    /// The proxy by which the target was reached, and the key or variable that named it; empty:
    /// none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub proxy: String,
    /// Certificates of servers were not verified.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// The script's file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub script: String,
    /// SHA-256 of the script's text, in hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub script_sha256: String,
    /// The profile's file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub profile: String,
    /// SHA-256 of the profile's text, in hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub profile_sha256: String,
    /// The cpus that generated load, in the order of the cores' numbers.
    pub cores: Vec<usize>,
    /// Which part of the run this process carried, `1/2`; none: all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<String>,
    /// The nodes of a run of several, by index, as its rendezvous knew them at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeFacts>,
    /// The loads of the plan, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<LoadFacts>,
    /// What arguments changed of the profile, each as it was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// Changes of the load while the run went on, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<LoadChange>,
    /// The version of this tool.
    pub version: String,
}

/// One load of a plan, in words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadFacts {
    /// Model and its settings: `open, poisson, at most 100 users`.
    pub kind: String,
    /// Scenarios with their shares: `browse 70 %, buy 30 %`.
    pub scenarios: String,
    /// In order; of very many the first and their number.
    pub phases: Vec<String>,
}

/// A change of the load while the run went on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadChange {
    /// When it took effect, in seconds from the start of the load.
    pub time_s: f64,
    /// What it was, in words.
    pub change: String,
    /// From then on the load was so many times that of the plan; 0 in a pause.
    pub factor: f64,
}

closed_enum! {
    /// How a run ended.
    Ending {
        /// All phases done, and drained or out of drain time.
        Completed => "completed",
        /// Ended early by a missed threshold; what was under way was drained.
        Aborted => "aborted",
        /// Ended early on request; what was under way was drained.
        Interrupted => "interrupted",
        /// Stopped at once.
        Stopped => "stopped",
        /// Ended by an error.
        Failed => "failed",
    }
}
