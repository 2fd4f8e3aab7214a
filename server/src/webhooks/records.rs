//! The tables of webhooks and of their deliveries, in `meta.sqlite`.

use super::WebhookEvent;
use super::signature::SigningSecret;
use crate::Error;
use crate::access::{Accounts, EVERY_PROJECT, check_project, now_us};
use rusqlite::{OptionalExtension, Row, params};

/// Maximum number of webhooks of a project.
const WEBHOOKS_MAX: u32 = 20;
/// Deliveries of a webhook that are kept; older ones are removed first.
pub(super) const DELIVERIES_MAX: u32 = 30;
/// Maximum length of a stored outcome, in characters.
const OUTCOME_MAX: usize = 300;

/// A webhook without its secret.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Webhook {
    pub(super) id: i64,
    /// Its project, or `*`.
    pub(super) project: String,
    pub(super) url: String,
    pub(super) events: Vec<WebhookEvent>,
    pub(super) made_by: String,
    /// Microseconds since 1970.
    pub(super) created_us: i64,
}

/// A message on its way to a webhook, or what became of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Delivery {
    /// The message's id, the same in every attempt.
    pub(super) message: String,
    pub(super) event: String,
    /// Empty for a test.
    pub(super) run: String,
    /// When it was made, in microseconds since 1970.
    pub(super) at_us: i64,
    pub(super) attempts: u32,
    pub(super) state: String,
    /// The status of the last answer, or what went wrong.
    pub(super) outcome: String,
    /// How long the last attempt took, in milliseconds.
    pub(super) took_ms: i64,
    /// When it is tried again, in microseconds since 1970.
    pub(super) next_us: Option<i64>,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The receiver accepted it.
    Delivered,
    /// It is tried again at this time, in microseconds since 1970.
    Waiting(i64),
    /// It is not tried again.
    Failed,
}

impl Accounts {
    /// Adds a webhook and returns it with its secret, which pages show only then.
    pub(super) fn add_webhook(
        &self,
        project: &str,
        url: &str,
        events: &[WebhookEvent],
        made_by: &str,
    ) -> Result<(Webhook, String), Error> {
        check_project(project)?;
        let secret = SigningSecret::random()?;
        let names: Vec<&str> = events.iter().map(|one| one.name()).collect();
        let created_us = now_us();
        let id = self.change(|db| {
            let sql = "SELECT count(*) FROM webhook WHERE project = ?";
            let present: u32 = db.query_row(sql, [project], |row| row.get(0))?;
            if present >= WEBHOOKS_MAX {
                return Err(Error::TooMany(format!(
                    "a project has at most {WEBHOOKS_MAX} webhooks"
                )));
            }
            let sql = "INSERT INTO webhook (project, url, secret, events, made_by, created_us) \
                       VALUES (?, ?, ?, ?, ?, ?)";
            let names = names.join(" ");
            let row = params![project, url, secret.bytes(), names, made_by, created_us];
            db.execute(sql, row)?;
            Ok(db.last_insert_rowid())
        })?;
        let webhook = Webhook {
            id,
            project: project.to_owned(),
            url: url.to_owned(),
            events: events.to_vec(),
            made_by: made_by.to_owned(),
            created_us,
        };
        Ok((webhook, secret.text()))
    }

    /// The webhooks of a project, oldest first.
    pub(super) fn webhooks(&self, project: &str) -> Result<Vec<Webhook>, Error> {
        self.read(|db| {
            let mut statement = db.prepare(&format!("{WEBHOOKS} WHERE project = ? ORDER BY id"))?;
            let rows = statement.query_map([project], webhook)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The webhooks that an event of a project goes to.
    pub(super) fn webhooks_for(
        &self,
        project: &str,
        event: WebhookEvent,
    ) -> Result<Vec<Webhook>, Error> {
        let mut webhooks = self.webhooks(project)?;
        if project != EVERY_PROJECT {
            webhooks.extend(self.webhooks(EVERY_PROJECT)?);
        }
        webhooks.retain(|webhook| webhook.events.contains(&event));
        Ok(webhooks)
    }

    /// A webhook and the secret that its messages are signed with.
    pub(super) fn webhook(&self, id: i64) -> Result<Option<(Webhook, SigningSecret)>, Error> {
        self.read(|db| {
            let found = db.query_row(&format!("{WEBHOOKS} WHERE id = ?"), [id], |row| {
                Ok((webhook(row)?, SigningSecret::stored(row.get(6)?)))
            });
            Ok(found.optional()?)
        })
    }

    /// Removes a webhook of a project with its deliveries.
    pub(super) fn remove_webhook(&self, project: &str, id: i64) -> Result<(), Error> {
        let sql = "DELETE FROM webhook WHERE id = ? AND project = ?";
        if self.change(|db| Ok(db.execute(sql, params![id, project])?))? == 0 {
            return Err(Error::Access(NO_SUCH_WEBHOOK.to_owned()));
        }
        Ok(())
    }

    /// The last deliveries of a webhook, newest first.
    pub(super) fn deliveries(&self, webhook: i64) -> Result<Vec<Delivery>, Error> {
        self.read(|db| {
            let sql = "SELECT message, event, run, at_us, attempts, state, outcome, took_ms, \
                       next_us FROM webhook_delivery WHERE webhook = ? ORDER BY id DESC LIMIT ?";
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map(params![webhook, DELIVERIES_MAX], |row| {
                Ok(Delivery {
                    message: row.get(0)?,
                    event: row.get(1)?,
                    run: row.get(2)?,
                    at_us: row.get(3)?,
                    attempts: row.get(4)?,
                    state: row.get(5)?,
                    outcome: row.get(6)?,
                    took_ms: row.get(7)?,
                    next_us: row.get(8)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Records a message that is about to be sent; returns the number of its delivery.
    pub(super) fn add_delivery(
        &self,
        webhook: i64,
        message: &str,
        event: WebhookEvent,
        run: &str,
    ) -> Result<i64, Error> {
        self.change(|db| {
            let sql = "INSERT INTO webhook_delivery (webhook, message, event, run, at_us) \
                       VALUES (?, ?, ?, ?, ?)";
            db.execute(sql, params![webhook, message, event.name(), run, now_us()])?;
            let id = db.last_insert_rowid();
            let sql = "DELETE FROM webhook_delivery WHERE webhook = ?1 AND id <= (SELECT id FROM \
                       webhook_delivery WHERE webhook = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
            db.execute(sql, params![webhook, DELIVERIES_MAX])?;
            Ok(id)
        })
    }

    /// Records the outcome of an attempt.
    pub(super) fn record_attempt(
        &self,
        delivery: i64,
        attempts: u32,
        progress: Progress,
        outcome: &str,
        took_ms: i64,
    ) -> Result<(), Error> {
        let (state, next_us) = match progress {
            Progress::Delivered => ("delivered", None),
            Progress::Waiting(next_us) => ("waiting", Some(next_us)),
            Progress::Failed => ("failed", None),
        };
        let outcome: String = outcome.chars().take(OUTCOME_MAX).collect();
        let sql = "UPDATE webhook_delivery SET attempts = ?2, state = ?3, outcome = ?4, \
                   took_ms = ?5, next_us = ?6 WHERE id = ?1";
        let row = params![delivery, attempts, state, outcome, took_ms, next_us];
        self.change(|db| Ok(db.execute(sql, row)?)).map(drop)
    }

    /// Deliveries that were waiting when an earlier process ended are not tried again.
    pub(super) fn fail_waiting_deliveries(&self) -> Result<(), Error> {
        let sql = "UPDATE webhook_delivery SET state = 'failed', next_us = NULL, outcome = \
                   'the server stopped before it was delivered; last: ' || outcome \
                   WHERE state = 'waiting'";
        self.change(|db| Ok(db.execute(sql, [])?)).map(drop)
    }
}

/// The error for a webhook that does not exist.
pub(super) const NO_SUCH_WEBHOOK: &str = "the project has no such webhook";

const WEBHOOKS: &str = "SELECT id, project, url, events, made_by, created_us, secret FROM webhook";

fn webhook(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    let events: String = row.get(3)?;
    Ok(Webhook {
        id: row.get(0)?,
        project: row.get(1)?,
        url: row.get(2)?,
        // one of a later version is unknown here
        events: events.split(' ').filter_map(WebhookEvent::named).collect(),
        made_by: row.get(4)?,
        created_us: row.get(5)?,
    })
}
