//! Arguments of `mistress serve`.

use crate::command::LogFormat;
use clap::Args;
use server::OidcOptions;
use std::net::SocketAddr;
use std::path::PathBuf;

pub(super) const HELP: &str = "\
All runs are listed at http://localhost:7777/report/list. `mistress run` reports to a server on
this machine automatically, and to another one with `stats = \"http://host:7777\"` in the profile.

Without accounts, it only serves this machine, and every local user is an admin. To serve other
machines, create an admin first (docs/server.md).

Examples:
  mistress serve
  mistress serve --bind 127.0.0.1:8000 --data /var/lib/mistress
  mistress serve --add-admin ann
  mistress serve --bind 0.0.0.0:7777 --host load.example.com --tls-cert chain.pem --tls-key key.pem
  mistress serve --log-format json --log-level warn
  mistress serve --keep-size 20GiB
  mistress serve --url https://load.example.com --webhook-allow 127.0.0.1
  mistress serve --url https://load.example.com --oidc-issuer https://id.example.com \
    --oidc-client-id mistress --oidc-client-secret-file /etc/mistress/oidc-secret

Exit codes:
  0    stopped by a signal, or the account was created
  2    the log level is unknown
  3    it cannot listen, or the store, a file or the issuer cannot be used";

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7777")]
    pub bind: SocketAddr,
    /// Folder of the store, instead of MISTRESS_DATA or ~/.local/share/mistress
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Host name under which browsers may reach the server; may be repeated
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
    /// Most disk space for runs, such as 20GiB: beyond it, the runs that arrived first are deleted,
    /// but no pinned, baseline or live ones
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub keep_size: Option<u64>,
    /// Public URL of the server, such as https://load.example.com, for links in messages; implies
    /// --host
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Address or network that webhooks may post to although they are refused by default (this
    /// machine, link-local addresses); may be repeated
    #[arg(long, value_name = "ADDRESS[/BITS]")]
    pub webhook_allow: Vec<server::Network>,
    /// Issuer URL of an OpenID Connect provider to sign in with as well, exactly as the provider
    /// writes it
    #[arg(long, value_name = "URL", requires_all = ["oidc_client_id", "oidc_client_secret_file"])]
    pub oidc_issuer: Option<String>,
    /// Client ID of this server at the provider, which must allow the redirect to URL/oidc/callback
    /// with the URL of --url
    #[arg(long, value_name = "ID", requires = "oidc_issuer")]
    pub oidc_client_id: Option<String>,
    /// File with the client secret of --oidc-client-id
    #[arg(long, value_name = "FILE", requires = "oidc_issuer")]
    pub oidc_client_secret_file: Option<PathBuf>,
    /// Scopes to request, separated by spaces
    #[arg(long, value_name = "SCOPES", default_value = OidcOptions::SCOPES)]
    pub oidc_scopes: String,
    /// Claim with a list of roles as mistress:PROJECT:ROLE, which replace those of the account at
    /// each sign-in; without it, admins grant roles
    #[arg(long, value_name = "CLAIM", requires = "oidc_issuer")]
    pub oidc_role_claim: Option<String>,
    /// Create a server admin account and exit; prompts for the password, or reads it from the first
    /// line of standard input
    #[arg(long, value_name = "NAME")]
    pub add_admin: Option<String>,
    /// Serve https with this certificate and its chain, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, in PEM without a password
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// How the log is written to standard error
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug or off; RUST_LOG otherwise
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// A size in bytes: a number with a unit.
fn parse_size(text: &str) -> Result<u64, String> {
    let expected = || "expected a number with a unit: 500MiB, 20GiB, 1.5TiB or 20GB".to_owned();
    const UNITS: [(&str, u64); 6] = [
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    let mut units = UNITS.iter();
    let unit = units.find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, unit) = unit.ok_or_else(expected)?;
    let is_number = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = number.parse().map_err(|_| expected())?;
    let bytes = number * unit as f64;
    if is_number && bytes >= 1.0 && bytes < u64::MAX as f64 {
        Ok(bytes as u64)
    } else {
        Err(expected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit() {
        let rows = [
            ("500MiB", Some(500 << 20)),
            ("20GiB", Some(20 << 30)),
            ("1.5TiB", Some(3 << 39)),
            ("20GB", Some(20_000_000_000)),
            ("20", None),
            ("GiB", None),
            ("0GiB", None),
            ("-1GiB", None),
            ("20 GiB", None),
            ("infGiB", None),
        ];
        for (text, bytes) in rows {
            assert_eq!(parse_size(text).ok(), bytes, "{text:?}");
        }
    }
}
