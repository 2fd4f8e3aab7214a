//! Roles, and the requirements of routes.

use std::fmt;
use std::str::FromStr;

/// The project name of a role for all projects, present and future.
pub const EVERY_PROJECT: &str = "*";

/// What an account may do in a project; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees everything, changes nothing.
    Guest,
    /// Also comments, tags, pins, and chooses the baseline.
    Manager,
    /// Also deletes, sets retention and shares; for all projects: accounts, tokens, audit log.
    Admin,
}

impl Role {
    /// All roles, lowest first.
    pub const ALL: [Role; 3] = [Role::Guest, Role::Manager, Role::Admin];

    /// Its stored and displayed form: `guest`, `manager`, `admin`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Guest => "guest",
            Role::Manager => "manager",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        let found = Role::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| format!("role {text:?} is not one of guest, manager, admin"))
    }
}

/// What a token permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Sending batches of runs; no reading.
    Ingest,
    /// Reading whatever a guest can see; no sending.
    Read,
}

impl TokenKind {
    /// All kinds.
    pub const ALL: [TokenKind; 2] = [TokenKind::Ingest, TokenKind::Read];

    /// Its stored and displayed form: `ingest`, `read`.
    pub fn name(self) -> &'static str {
        match self {
            TokenKind::Ingest => "ingest",
            TokenKind::Read => "read",
        }
    }
}

impl FromStr for TokenKind {
    type Err = String;

    fn from_str(text: &str) -> Result<TokenKind, String> {
        let found = TokenKind::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("token kind {text:?} is not one of ingest, read"))
    }
}

/// What a route requires of its visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing, and the visitor is not identified: assets.
    Nothing,
    /// Nothing, but the visitor is identified: the sign-in page.
    Anybody,
    /// An account, or the local admin.
    Account,
    /// An ingest token, or the local admin; the handler checks the project.
    Ingest,
    /// A manager of the project of the run of the path, `{id}`, or an ingest token of it: to
    /// annotate a run, or to control it.
    Annotate,
    /// At least this role for the object the route names.
    Role(Role, Over),
}

/// The scope a role is required for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// All projects.
    Server,
    /// The project of the path, `{p}`.
    Project,
    /// The project of the run of the path, `{id}`.
    Run,
    /// The projects of all runs in the query, `runs=a,b`.
    Runs,
    /// Any project; the handler only shows those of the visitor.
    Some,
}
