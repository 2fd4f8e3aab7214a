//! The visitor and what they may do.

use super::role::{EVERY_PROJECT, Needs, Over, Role, TokenKind};
use super::{Token, time_format};
use std::sync::Arc;

/// The sender of a request; an extension of every request that the guard admits.
#[derive(Clone, Debug)]
pub struct Visitor(Arc<VisitorFacts>);

/// What is known about the visitor.
#[derive(Debug, Default)]
struct VisitorFacts {
    who: Identity,
    grants: Vec<Grant>,
    /// The share links that are still valid.
    links: Vec<Link>,
    /// Why the visitor's token does not count, if it once did.
    expired: Option<String>,
}

/// How the visitor is identified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Not at all, or only by a share link.
    #[default]
    Anonymous,
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

/// A share link as listed; the link itself is not stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// For revoking.
    pub id: i64,
    /// The run it gives access to.
    pub run: String,
    /// Who created it.
    pub made_by: String,
    /// Microseconds since 1970.
    pub created_us: i64,
    /// When it expires.
    pub expires_us: i64,
    /// Whether it shows the run's profile and script too.
    pub script: bool,
}

/// The object of a request, as far as access control needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// Nothing in particular.
    Nothing,
    /// A project.
    Project(String),
    /// Runs, each with its project; `None` for a run that does not exist.
    Runs(Vec<(String, Option<String>)>),
}

/// The decision on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is passed to its handler.
    Allowed,
    /// The visitor must sign in first: 401, or the sign-in page.
    SignIn,
    /// The visitor may not learn whether it exists: 404.
    Hidden,
    /// The visitor may see it, but not do this: 403.
    Refused,
}

impl Visitor {
    pub(crate) fn anonymous() -> Visitor {
        Visitor(Arc::default())
    }

    /// The local admin.
    pub(crate) fn local() -> Visitor {
        let grants = vec![everywhere(Role::Admin)];
        Visitor::of(Identity::Local, grants, Vec::new())
    }

    pub(crate) fn of(who: Identity, grants: Vec<Grant>, links: Vec<Link>) -> Visitor {
        Visitor(Arc::new(VisitorFacts {
            who,
            grants,
            links,
            expired: None,
        }))
    }

    /// Nobody any more, with a token that has expired.
    pub(crate) fn of_expired(token: &Token) -> Visitor {
        let expired = format!(
            "the token {:?} expired on {}; a server admin can create another on /admin",
            token.name,
            time_format::minute(token.expires_us.unwrap_or_default())
        );
        Visitor(Arc::new(VisitorFacts {
            expired: Some(expired),
            ..VisitorFacts::default()
        }))
    }

    /// Why the visitor's token does not count, if it once did.
    pub(crate) fn expired(&self) -> Option<&str> {
        self.0.expired.as_deref()
    }

    /// A token; a read token is a guest of its project.
    pub(crate) fn token(kind: TokenKind, name: String, project: String) -> Visitor {
        let role = Role::Guest;
        Visitor::of(
            Identity::Token(kind, name),
            vec![Grant { project, role }],
            Vec::new(),
        )
    }

    pub(crate) fn who(&self) -> &Identity {
        &self.0.who
    }

    /// The name shown on pages and in the audit log; account names cannot contain spaces.
    pub fn name(&self) -> String {
        match &self.0.who {
            Identity::Anonymous if !self.0.links.is_empty() => "share link".to_owned(),
            Identity::Anonymous => "nobody".to_owned(),
            Identity::Local => "local admin".to_owned(),
            Identity::Account(name) => name.clone(),
            Identity::Token(kind, name) => format!("{} token {name}", kind.name()),
        }
    }

    /// True for a signed-in account, which can sign out.
    pub fn is_signed_in(&self) -> bool {
        matches!(self.0.who, Identity::Account(_))
    }

    /// The highest role in a project; `None` for strangers and ingest tokens.
    pub fn role(&self, project: &str) -> Option<Role> {
        if matches!(self.0.who, Identity::Token(TokenKind::Ingest, _)) {
            return None;
        }
        let grants = self.0.grants.iter();
        grants
            .filter(|grant| grant.project == project || grant.project == EVERY_PROJECT)
            .map(|grant| grant.role)
            .max()
    }

    /// True if the visitor has at least this role in the project; in all projects for
    /// [`EVERY_PROJECT`].
    pub fn may(&self, role: Role, project: &str) -> bool {
        self.role(project) >= Some(role)
    }

    /// True if the visitor may see the run, by a role in its project or by a share link.
    pub fn sees_run(&self, run: &str, project: &str) -> bool {
        self.may(Role::Guest, project) || self.0.links.iter().any(|link| link.run == run)
    }

    /// True if the visitor may see the run's profile and script too.
    pub(crate) fn sees_script(&self, run: &str, project: &str) -> bool {
        let mut links = self.0.links.iter();
        self.may(Role::Guest, project) || links.any(|link| link.run == run && link.script)
    }

    /// True if the visitor may send batches of runs of this project.
    pub fn may_ingest(&self, project: &str) -> bool {
        match self.0.who {
            Identity::Local => true,
            Identity::Token(TokenKind::Ingest, _) => {
                let mut grants = self.0.grants.iter();
                grants.any(|grant| grant.project == project || grant.project == EVERY_PROJECT)
            }
            _ => false,
        }
    }

    /// The role for all objects of a request, or the highest role anywhere if there are none.
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

    /// The granted roles, by project.
    pub(crate) fn grants(&self) -> &[Grant] {
        &self.0.grants
    }

    /// The highest role in any project.
    fn role_anywhere(&self) -> Option<Role> {
        let grants = self.0.grants.iter();
        grants.filter_map(|grant| self.role(&grant.project)).max()
    }

    /// Decides on a request with this requirement for this object.
    pub(crate) fn decide(&self, needs: Needs, object: &Object) -> Decision {
        let stranger = self.0.who == Identity::Anonymous;
        let refused = if stranger {
            Decision::SignIn
        } else {
            Decision::Refused
        };
        let allow_if = |yes: bool| if yes { Decision::Allowed } else { refused };
        match needs {
            Needs::Nothing | Needs::Anybody => Decision::Allowed,
            Needs::Account => {
                allow_if(matches!(self.0.who, Identity::Local | Identity::Account(_)))
            }
            Needs::Ingest => allow_if(matches!(
                self.0.who,
                Identity::Local | Identity::Token(TokenKind::Ingest, _)
            )),
            Needs::Annotate => match object {
                Object::Runs(runs) if self.is_own_run(runs) => Decision::Allowed,
                _ => self.decide(Needs::Role(Role::Manager, Over::Run), object),
            },
            Needs::Role(role, Over::Server) => allow_if(self.may(role, EVERY_PROJECT)),
            Needs::Role(role, Over::Some) => allow_if(self.role_anywhere() >= Some(role)),
            Needs::Role(role, Over::Project | Over::Run | Over::Runs) => match object {
                Object::Nothing => refused,
                // No run is named: anyone who may do it anywhere sees the empty page.
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

    /// True for an ingest token of the projects of these runs.
    fn is_own_run(&self, runs: &[(String, Option<String>)]) -> bool {
        let is_ingest = matches!(self.0.who, Identity::Token(TokenKind::Ingest, _));
        let mut projects = runs.iter().map(|(_, project)| project.as_deref());
        is_ingest && projects.all(|project| project.is_some_and(|p| self.may_ingest(p)))
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
            (Identity::Anonymous, _) => Decision::SignIn,
            (Identity::Token(TokenKind::Ingest, _), _) | (_, true) => Decision::Refused,
            (_, false) => Decision::Hidden,
        }
    }

    /// For a run that does not exist: visitors who could see it get its handler's 404; for others
    /// it looks like a run in a project they may not see.
    fn decide_of_unknown(&self) -> Decision {
        match &self.0.who {
            _ if self.may(Role::Guest, EVERY_PROJECT) => Decision::Allowed,
            Identity::Anonymous => Decision::SignIn,
            Identity::Token(TokenKind::Ingest, _) => Decision::Refused,
            _ => Decision::Hidden,
        }
    }
}

fn everywhere(role: Role) -> Grant {
    let project = EVERY_PROJECT.to_owned();
    Grant { project, role }
}

/// The strictest of several decisions applies.
fn strictness(decision: Decision) -> u8 {
    match decision {
        Decision::Allowed => 0,
        Decision::Refused => 1,
        Decision::Hidden => 2,
        Decision::SignIn => 3,
    }
}
