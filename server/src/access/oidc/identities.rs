//! The accounts of people who sign in with the provider.

use crate::Error;
use crate::access::accounts::{check_name, check_project, ensure_admin_remains, grant, grants_of};
use crate::access::schema::now_us;
use crate::access::visitor::Grant;
use crate::access::{Accounts, Role};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value};

/// What values of the role claim begin with.
const ROLE_PREFIX: &str = "mistress:";

/// Who signs in, as the provider has it.
#[derive(Debug)]
pub(super) struct Person {
    subject: String,
    /// Names for a new account, the best first.
    names: Vec<String>,
    /// The roles that the provider grants; `None` when it is not asked for roles.
    grants: Option<Vec<Grant>>,
}

impl Person {
    /// Reads checked claims; `role_claim` is the one with the roles.
    pub(super) fn of(claims: &Map<String, Value>, role_claim: Option<&str>) -> Person {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let is_unverified = claims.get("email_verified") == Some(&Value::Bool(false));
        let email = text("email").filter(|_| !is_unverified);
        Person {
            subject: text("sub").unwrap_or_default(),
            names: text("preferred_username")
                .into_iter()
                .chain(email)
                .collect(),
            grants: role_claim.map(|claim| granted(claims.get(claim))),
        }
    }
}

/// The roles in a claim: a text, or a list of which others mean nothing here.
fn granted(claim: Option<&Value>) -> Vec<Grant> {
    let values: Vec<&str> = match claim {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(some)) => some.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut grants: Vec<Grant> = Vec::new();
    for value in values {
        let parts = value
            .strip_prefix(ROLE_PREFIX)
            .and_then(|rest| rest.rsplit_once(':'));
        let Some((project, role)) = parts else {
            continue;
        };
        let Ok(role) = role.parse::<Role>() else {
            continue;
        };
        if check_project(project).is_err() {
            continue;
        }
        match grants.iter_mut().find(|grant| grant.project == project) {
            Some(grant) => grant.role = grant.role.max(role),
            None => grants.push(Grant {
                project: project.to_owned(),
                role,
            }),
        }
    }
    grants
}

impl Accounts {
    /// The account of a person of this issuer; the first time it is made, without a password and
    /// without roles. If the provider grants roles, they become those of the account.
    pub(super) fn account_of(&self, issuer: &str, person: &Person) -> Result<String, Error> {
        self.change(|db| {
            let sql = "SELECT account FROM oidc_identity WHERE issuer = ? AND subject = ?";
            let row = params![issuer, person.subject];
            let found: Option<String> = db.query_row(sql, row, |row| row.get(0)).optional()?;
            let name = match found {
                Some(name) => name,
                None => add(db, issuer, person)?,
            };
            if let Some(grants) = &person.grants {
                ensure_admin_remains(db, |db| replace(db, &name, grants))?;
            }
            Ok(name)
        })
    }

    /// True if the account can sign in with a password.
    pub(crate) fn has_password(&self, name: &str) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM account WHERE name = ? AND password <> ''";
        self.read(|db| {
            let found: Option<i64> = db.query_row(sql, [name], |row| row.get(0)).optional()?;
            Ok(found.is_some())
        })
    }
}

/// Makes the account of a person; one that exists is never given to them.
fn add(db: &Connection, issuer: &str, person: &Person) -> Result<String, Error> {
    let valid = person.names.iter().find(|name| check_name(name).is_ok());
    let Some(name) = valid else {
        return Err(Error::Access(
            "the provider sent no name that an account here can have: preferred_username or a \
             verified email, of 64 letters, digits or . - _ @ + at most"
                .to_owned(),
        ));
    };
    let sql = "INSERT OR IGNORE INTO account (name, password, created_us) VALUES (?, '', ?)";
    if db.execute(sql, params![name, now_us()])? == 0 {
        return Err(Error::Access(format!(
            "an account {name:?} exists here and belongs to somebody else; ask a server admin to \
             remove it, or have another name at the provider"
        )));
    }
    let sql = "INSERT INTO oidc_identity (issuer, subject, account) VALUES (?, ?, ?)";
    db.execute(sql, params![issuer, person.subject, name])?;
    Ok(name.clone())
}

/// Makes these the roles of an account.
fn replace(db: &Connection, name: &str, grants: &[Grant]) -> Result<(), Error> {
    for old in grants_of(db, name)? {
        grant(db, name, &old.project, None)?;
    }
    for new in grants {
        grant(db, name, &new.project, Some(new.role))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_values_of_this_form_grant_roles() {
        let claim = json!([
            "mistress:shop:guest",
            "mistress:shop:manager",
            "mistress:a:b:admin",
            "mistress:shop:root",
            "mistress::admin",
            "other:bank:admin",
            "admin",
            7
        ]);
        let found = granted(Some(&claim)).into_iter();
        let found: Vec<_> = found.map(|grant| (grant.project, grant.role)).collect();
        let expected = [("shop", Role::Manager), ("a:b", Role::Admin)];
        assert_eq!(found, expected.map(|(name, role)| (name.to_owned(), role)));
        assert!(granted(None).is_empty());
    }
}
