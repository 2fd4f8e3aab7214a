//! Who asks, and what they may do.

use super::role::{EVERY_PROJECT, Needs, Over, Role, TokenKind};
use std::sync::Arc;

/// Whoever sent a request; an extension of every request that the guard admits.
#[derive(Clone, Debug)]
pub struct Visitor(Arc<Facts>);

/// What is known of them.
#[derive(Debug, Default)]
struct Facts {
    who: Who,
    grants: Vec<Grant>,
    /// The run of a share link that is still valid.
    link: Option<String>,
}

/// How they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Who {
    /// Not at all, or by a share link only.
    #[default]
    Nobody,
    /// On this machine, while no admin exists.
    Local,
    /// Signed in under this name.
    Account(String),
    /// By a token of this kind and name.
    Token(TokenKind, String),
}

/// A role in a project, or in all of them ([`EVERY_PROJECT`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The project's name.
    pub project: String,
    /// The role there.
    pub role: Role,
}

/// What a request is about, as far as it bears on what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// Nothing in particular.
    Nothing,
    /// A project.
    Project(String),
    /// Runs, each with its project; `None` for a run that does not exist.
    Runs(Vec<(String, Option<String>)>),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It goes on to its handler.
    Allowed,
    /// Who it is must be known first: 401, or the sign-in page.
    SignIn,
    /// They may not even know whether it exists: 404.
    Hidden,
    /// They may see it, but not do this: 403.
    Refused,
}

impl Visitor {
    pub(crate) fn nobody() -> Visitor {
        Visitor(Arc::default())
    }

    /// The local admin.
    pub(crate) fn local() -> Visitor {
        let grants = vec![everywhere(Role::Admin)];
        Visitor::of(Who::Local, grants, None)
    }

    pub(crate) fn of(who: Who, grants: Vec<Grant>, link: Option<String>) -> Visitor {
        Visitor(Arc::new(Facts { who, grants, link }))
    }

    /// A token; one for reading is a guest of its project.
    pub(crate) fn token(kind: TokenKind, name: String, project: String) -> Visitor {
        let role = Role::Guest;
        Visitor::of(Who::Token(kind, name), vec![Grant { project, role }], None)
    }

    pub(crate) fn who(&self) -> &Who {
        &self.0.who
    }

    /// As pages and the audit log name them; an account's name cannot hold a space.
    pub fn name(&self) -> String {
        match &self.0.who {
            Who::Nobody if self.0.link.is_some() => "share link".to_owned(),
            Who::Nobody => "nobody".to_owned(),
            Who::Local => "local admin".to_owned(),
            Who::Account(name) => name.clone(),
            Who::Token(kind, name) => format!("{} token {name}", kind.name()),
        }
    }

    /// True for an account that is signed in: there is something to sign out of.
    pub fn is_signed_in(&self) -> bool {
        matches!(self.0.who, Who::Account(_))
    }

    /// The greatest role in a project; `None` for strangers and for tokens that only ingest.
    pub fn role(&self, project: &str) -> Option<Role> {
        if matches!(self.0.who, Who::Token(TokenKind::Ingest, _)) {
            return None;
        }
        let grants = self.0.grants.iter();
        grants
            .filter(|grant| grant.project == project || grant.project == EVERY_PROJECT)
            .map(|grant| grant.role)
            .max()
    }

    /// True when they have at least this role in the project; in all for [`EVERY_PROJECT`].
    pub fn may(&self, role: Role, project: &str) -> bool {
        self.role(project) >= Some(role)
    }

    /// True when they may see the run: by a role in its project, or by a share link.
    pub fn sees_run(&self, run: &str, project: &str) -> bool {
        self.may(Role::Guest, project) || self.0.link.as_deref() == Some(run)
    }

    /// The projects they see; `None` is all of them, so there is nothing to leave out.
    pub fn projects(&self) -> Option<Vec<String>> {
        if self.may(Role::Guest, EVERY_PROJECT) {
            return None;
        }
        if self.role_anywhere().is_none() {
            return Some(Vec::new());
        }
        let grants = self.0.grants.iter();
        Some(grants.map(|grant| grant.project.clone()).collect())
    }

    /// True when they may deliver seconds of a run of this project.
    pub fn may_ingest(&self, project: &str) -> bool {
        match self.0.who {
            Who::Local => true,
            Who::Token(TokenKind::Ingest, _) => {
                let mut grants = self.0.grants.iter();
                grants.any(|grant| grant.project == project || grant.project == EVERY_PROJECT)
            }
            _ => false,
        }
    }

    /// The role over all that a request is about; anywhere, when it is about nothing.
    pub(crate) fn role_over(&self, object: &Object) -> Option<Role> {
        match object {
            Object::Nothing => self.role_anywhere(),
            Object::Project(project) => self.role(project),
            Object::Runs(runs) => {
                let projects = runs.iter().map(|(_, project)| project.as_deref());
                let roles = projects.map(|project| self.role(project.unwrap_or(EVERY_PROJECT)));
                roles.min().flatten()
            }
        }
    }

    /// The roles by project, as they were given.
    pub(crate) fn grants(&self) -> &[Grant] {
        &self.0.grants
    }

    /// The greatest role in any project.
    fn role_anywhere(&self) -> Option<Role> {
        let grants = self.0.grants.iter();
        grants.filter_map(|grant| self.role(&grant.project)).max()
    }

    /// What becomes of a request of theirs that needs this of that.
    pub(crate) fn decide(&self, needs: Needs, object: &Object) -> Decision {
        let stranger = self.0.who == Who::Nobody;
        let refused = if stranger {
            Decision::SignIn
        } else {
            Decision::Refused
        };
        let allow_if = |yes: bool| if yes { Decision::Allowed } else { refused };
        match needs {
            Needs::Nothing | Needs::Anybody => Decision::Allowed,
            Needs::Account => allow_if(matches!(self.0.who, Who::Local | Who::Account(_))),
            Needs::Ingest => allow_if(matches!(
                self.0.who,
                Who::Local | Who::Token(TokenKind::Ingest, _)
            )),
            Needs::Role(role, Over::Server) => allow_if(self.may(role, EVERY_PROJECT)),
            Needs::Role(role, Over::Some) => allow_if(self.role_anywhere() >= Some(role)),
            Needs::Role(role, Over::Project | Over::Run | Over::Runs) => match object {
                Object::Nothing => refused,
                // Nothing is named yet: whoever may do it anywhere sees the empty page.
                Object::Runs(runs) if runs.is_empty() => {
                    allow_if(self.role_anywhere() >= Some(role))
                }
                Object::Project(project) => self.decide_of(role, project, None),
                Object::Runs(runs) => {
                    let decisions = runs.iter().map(|(run, project)| match project {
                        Some(project) => self.decide_of(role, project, Some(run)),
                        None => self.decide_of_unknown(),
                    });
                    decisions
                        .max_by_key(|&decision| strictness(decision))
                        .unwrap_or(refused)
                }
            },
        }
    }

    fn decide_of(&self, role: Role, project: &str, run: Option<&str>) -> Decision {
        let sees = match run {
            Some(run) => self.sees_run(run, project),
            None => self.may(Role::Guest, project),
        };
        if self.may(role, project) || (role == Role::Guest && sees) {
            return Decision::Allowed;
        }
        match (&self.0.who, sees) {
            (Who::Nobody, _) => Decision::SignIn,
            (Who::Token(TokenKind::Ingest, _), _) | (_, true) => Decision::Refused,
            (_, false) => Decision::Hidden,
        }
    }

    /// For a run that does not exist: its handler says so to those who would see it, and to
    /// others it is as if it existed in a project they do not see.
    fn decide_of_unknown(&self) -> Decision {
        match &self.0.who {
            _ if self.may(Role::Guest, EVERY_PROJECT) => Decision::Allowed,
            Who::Nobody => Decision::SignIn,
            Who::Token(TokenKind::Ingest, _) => Decision::Refused,
            _ => Decision::Hidden,
        }
    }
}

fn everywhere(role: Role) -> Grant {
    let project = EVERY_PROJECT.to_owned();
    Grant { project, role }
}

/// Of several decisions the strictest holds.
fn strictness(decision: Decision) -> u8 {
    match decision {
        Decision::Allowed => 0,
        Decision::Refused => 1,
        Decision::Hidden => 2,
        Decision::SignIn => 3,
    }
}
