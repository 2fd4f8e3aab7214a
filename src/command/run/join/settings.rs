//! What a node needs to join: from the arguments, the environment, the plan and its files.

use super::super::{identity, stats_session};
use super::client::NodeClient;
use crate::cli::{RunArguments, SegmentArgument};
use crate::command::exit::Failure;
use crate::command::{doctor, script_files, store};
use anyhow::anyhow;
use config::Plan;
use std::collections::BTreeMap;
use std::time::Duration;
use wire::rendezvous::{Joining, LEASE_MS, is_token};

/// The variable with the run's own token.
const TOKEN: &str = "MISTRESS_JOIN_TOKEN";
/// A lease in milliseconds; for tests alone.
const TEST_LEASE: &str = "MISTRESS_TEST_LEASE_MS";
/// Characters of a hash that are told: enough to tell texts apart, few enough to read.
const HASH_SHOWN: usize = 16;

/// How a node joins.
pub struct JoinSettings {
    /// The rendezvous.
    pub url: String,
    /// How long to wait for the other nodes.
    pub timeout: Duration,
    /// What it says of itself.
    pub joining: Joining,
    token: String,
    run: String,
    node: u32,
}

impl JoinSettings {
    /// Those of the arguments; `None` without `--join`.
    ///
    /// # Errors
    /// The token is missing, or a file cannot be read.
    pub fn of(
        arguments: &RunArguments,
        segment: Option<&SegmentArgument>,
        plan: &Plan,
    ) -> Result<Option<JoinSettings>, Failure> {
        let (Some(url), Some(segment)) = (&arguments.join, segment) else {
            return Ok(None);
        };
        let token = std::env::var(TOKEN).unwrap_or_default();
        if !is_token(&token) {
            return Err(Failure::usage(anyhow!(
                "--join: {TOKEN} must hold the run's own secret, the same on all nodes: 16 to 256 \
                 visible ASCII characters, such as those of `openssl rand -hex 16`"
            )));
        }
        let shards = segment.part.shards();
        Ok(Some(JoinSettings {
            url: url.clone(),
            timeout: arguments.join_timeout,
            token,
            run: arguments.run_id.clone().unwrap_or_default(),
            node: u32::try_from(segment.index - 1).unwrap_or(u32::MAX),
            joining: Joining {
                project: plan.name.clone(),
                host: stats_session::node_name(),
                segment: segment.text.clone(),
                count: u32::try_from(segment.count).unwrap_or(u32::MAX),
                shards: (shards.start, shards.end),
                same: same(plan, segment)?,
                findings: doctor::problems(),
                abort_on_loss: plan.abort_on_node_loss,
                lease_ms: lease_ms(),
                started_us: None,
            },
        }))
    }

    /// A client for this node.
    pub(super) fn client(&self) -> Result<NodeClient, Failure> {
        // below 2^63, as the wire has it
        let epoch = getrandom::u64().map_err(Failure::failed)? >> 1;
        let tokens = (self.token.clone(), store::token());
        Ok(NodeClient::new(
            &self.url, tokens, &self.run, self.node, epoch,
        ))
    }
}

/// How long a node may be without contact; tests have less time.
fn lease_ms() -> u64 {
    let given = std::env::var(TEST_LEASE).ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(LEASE_MS)
}

/// What must be the same on all nodes, by its name in messages.
fn same(plan: &Plan, segment: &SegmentArgument) -> Result<BTreeMap<String, String>, Failure> {
    let mut same = BTreeMap::new();
    let mut add = |name: &str, value: String| same.insert(name.to_owned(), value);
    let shown = |hash: String| hash.chars().take(HASH_SHOWN).collect::<String>();
    let hash = |text: &str| shown(identity::sha256(text.as_bytes()));
    add("the version", env!("CARGO_PKG_VERSION").to_owned());
    add("the profile", hash(&plan.profile_text));
    add("the seed", plan.seed.to_string());
    let parts = segment.text.split_once('/').map_or("", |(_, parts)| parts);
    add("the number of segments", parts.to_owned());
    if !plan.overrides.is_empty() {
        add("what arguments change", hash(&plan.overrides.join("\n")));
    }
    let script = identity::sha256_of_script(plan.script())?;
    let files = script_files::read(plan.script());
    let files = files
        .iter()
        .map(|file| format!("{}\n{}", file.name, file.text));
    let script = [script].into_iter().chain(files).collect::<String>();
    add("the script", hash(&script));
    for data in &plan.data {
        let hash = identity::sha256_of_file(&data.file)?;
        add(&format!("the data {:?}", data.name), shown(hash));
    }
    Ok(same)
}
