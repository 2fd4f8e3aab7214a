//! What is added to a verdict when the run has ended, by who knows more than its figures.

use super::{Finding, ReasonKind, Verdict, VerdictState};

impl Verdict {
    /// The same after an error ended the run: what was measured is not what happened.
    pub fn after_error(mut self, error: &str) -> Self {
        self.state = VerdictState::Invalid;
        let reason = Finding::default().reason(ReasonKind::RunFailed, error.to_owned());
        self.reasons.insert(0, reason);
        self
    }

    /// The same of a run that has lost nodes: the load was not what was planned.
    pub fn after_node_loss(mut self, text: String) -> Self {
        self.state = self.state.max(VerdictState::Suspect);
        let reason = Finding::default().reason(ReasonKind::NodesLost, text);
        self.reasons.insert(0, reason);
        self
    }

    /// The same with the note that the target runs on the generator's machine.
    pub fn with_shared_target(mut self) -> Self {
        let text = "the target shares this machine: both take processor time from each other, and \
                    loopback is faster than any network";
        let note = Finding::default().reason(ReasonKind::TargetShared, text.to_owned());
        self.notes.push(note);
        self
    }
}
