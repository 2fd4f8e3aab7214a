//! Roles, and what a route asks of its visitor.

use std::fmt;
use std::str::FromStr;

/// The project of a role that holds for all projects, present and future.
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
    /// All of them, the least first.
    pub const ALL: [Role; 3] = [Role::Guest, Role::Manager, Role::Admin];

    /// As it is stored and written: `guest`, `manager`, `admin`.
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

/// What a token can do, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Deliver batches of runs; sees nothing.
    Ingest,
    /// See what a guest sees; delivers nothing.
    Read,
}

impl TokenKind {
    /// Both.
    pub const ALL: [TokenKind; 2] = [TokenKind::Ingest, TokenKind::Read];

    /// As it is stored and written: `ingest`, `read`.
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

/// What a route asks of its visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing, and who it is does not matter: assets.
    Nothing,
    /// Nothing, but the handler wants to know who it is: the sign-in page.
    Anybody,
    /// An account, or the local admin.
    Account,
    /// A token for ingest, or the local admin; the handler looks at the project.
    Ingest,
    /// At least this role over what the route names.
    Role(Role, Over),
}

/// What a role must hold for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// All projects.
    Server,
    /// The project of the path, `{p}`.
    Project,
    /// The project of the run of the path, `{id}`.
    Run,
    /// The projects of all runs of the query, `runs=a,b`.
    Runs,
    /// Any project; the handler shows those of the visitor only.
    Some,
}
