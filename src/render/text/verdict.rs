//! The verdict at the end of the summary: what speaks against the run, where, and what to do.

use super::Text;
use crate::render::flow::{LABEL, Paint, Piece};
use crate::render::format::{self, escape};
use stats::Recorder;
use stats::verdict::{Reason, ReasonKind, VerdictState};

/// Notices that are shown.
const NOTICES_SHOWN: usize = 10;
/// Ranges of seconds listed for a reason before the rest is summed up.
const SPANS_MAX: usize = 6;

impl Text<'_> {
    pub(super) fn verdict(&mut self) {
        let verdict = &self.summary.verdict;
        let (paint, meaning) = match verdict.state {
            VerdictState::Open => (Paint::None, "the run has not ended"),
            VerdictState::Clean => (Paint::Good, "the generator did its part"),
            VerdictState::Suspect => (Paint::Warn, "the generator shaped part of these figures"),
            VerdictState::Invalid => (
                Paint::Bad,
                "these figures are incomplete or contradict each other",
            ),
        };
        let word = verdict.state.as_str().to_uppercase();
        self.flow(
            "verdict",
            &[Piece::new(word).paint(paint), Piece::new(meaning)],
        );
        for reason in &verdict.reasons {
            let text = format!("- {}{}", escape(&reason.text), place(reason));
            self.sentence(&text, Paint::None);
            self.sentence(&format!("  {}", advice(reason.kind)), Paint::Faint);
        }
        for note in &verdict.notes {
            self.sentence(&format!("note: {}", escape(&note.text)), Paint::None);
        }
        if self.summary.names_folded {
            let text = format!(
                "note: more than {} names: the rest is under {}",
                Recorder::NAMES_MAX,
                Recorder::OTHER
            );
            self.sentence(&text, Paint::None);
        }
    }

    /// What was noticed, each on a line of its own.
    pub(super) fn notices(&mut self, notices: &[String]) {
        let mut more = notices.len();
        for notice in notices.iter().take(NOTICES_SHOWN) {
            let text = escape(&format!("notice: {notice}"));
            let line = format::cut(&text, self.width);
            self.lines.push(self.style.apply(Paint::Warn, &line));
            more -= 1;
        }
        if more > 0 {
            self.lines.push(format!("  and {more} more notices"));
        }
    }

    /// A sentence below the last label, wrapped between words.
    fn sentence(&mut self, text: &str, paint: Paint) {
        let room = self.width.saturating_sub(LABEL);
        let indent = text.len() - text.trim_start_matches(['-', ' ']).len();
        let mut line = text[..indent].to_string();
        let mut empty = true;
        for word in text[indent..].split(' ') {
            let needed = line.chars().count() + word.chars().count() + usize::from(!empty);
            if !empty && needed > room {
                self.flow("", &[Piece::new(std::mem::take(&mut line)).paint(paint)]);
                line = " ".repeat(indent);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        self.flow("", &[Piece::new(line).paint(paint)]);
    }
}

/// ` (core 3; second 2)`; nothing when the reason is about the run as a whole.
fn place(reason: &Reason) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(reason.node.map(|node| format!("node {node}")));
    match &reason.cores[..] {
        [] => {}
        [core] => parts.push(format!("core {core}")),
        cores => {
            let cores: Vec<String> = cores.iter().map(u32::to_string).collect();
            parts.push(format!("cores {}", cores.join(", ")));
        }
    }
    parts.extend(seconds(&reason.windows));
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join("; "))
    }
}

fn seconds(spans: &[(u64, u64)]) -> Option<String> {
    let shown = spans.iter().take(SPANS_MAX).map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    let shown: Vec<String> = shown.collect();
    let more = spans.len().saturating_sub(SPANS_MAX);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    match spans {
        [] => None,
        [(first, last)] if first == last => Some(format!("second {first}")),
        _ => Some(format!("seconds {}{more}", shown.join(", "))),
    }
}

/// What to do about it.
fn advice(kind: ReasonKind) -> &'static str {
    match kind {
        ReasonKind::Conservation => "a fault of this tool: please report it with the profile",
        ReasonKind::ArrivalsDropped => {
            "the target did not keep up with the arrivals: raise users_max or lower the rate"
        }
        ReasonKind::CoreLost => {
            "the core ended before its load did: the error that ended it says why"
        }
        ReasonKind::NodesLost => {
            "the log of the node that was lost, and its network, say why; its missing part makes the \
             load smaller than planned"
        }
        ReasonKind::CoreBlocked => {
            "look for script code that computes long without waiting, and for other programs on \
             this machine's cores"
        }
        ReasonKind::LagBlocked | ReasonKind::LagRepeated | ReasonKind::LagTail => {
            "use more cores or another machine, and keep other programs off this one"
        }
        ReasonKind::LagTypical => {
            "the generator is slower than the target: use more cores, or fewer users"
        }
        ReasonKind::CoreBusy => "use more cores or machines, or do less work in the script",
        ReasonKind::CoreShared => {
            "keep other programs, the target too, off the processors that generate load (cores in \
             the profile says which), or use another machine"
        }
        ReasonKind::CpuQuota => {
            "raise or lift the quota (cpu.max or cpu.cfs_quota_us, docker run --cpus, limits.cpu), or \
             use fewer cores: a stopped core sends late"
        }
        ReasonKind::TimeStolen => {
            "this virtual machine does not have its processors to itself: use a dedicated one"
        }
        ReasonKind::RingOverflow => {
            "no core was free for the report: leave one out with cores = n in the profile"
        }
        ReasonKind::Descriptors => "raise the limit on open files (ulimit -n), or use fewer users",
        ReasonKind::PortsExhausted => {
            "use pool = \"shared\", close = \"reset\", more addresses in source or a wider range in \
             ports ([connections]), or sysctl -w net.ipv4.tcp_tw_reuse=1"
        }
        ReasonKind::CoresFull => "use more cores",
        ReasonKind::TargetShared => "run the target on another machine",
        ReasonKind::RunFailed => {
            "what happened after the error, and what was lost by it, is not here"
        }
    }
}
