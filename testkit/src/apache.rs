//! A real Apache httpd for tests: short keep-alive, digest, brotli, bodies in chunks, TLS.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use crate::certificates::Identity;
use crate::client::Client;
use crate::need;
use crate::service::{Service, free_addrs, retried, scratch};

/// Requests that one connection serves.
pub const REQUESTS_PER_CONNECTION: u64 = 10;
/// The account of `/digest/` and `/basic/`: name and password.
pub const ACCOUNT: (&str, &str) = ("ann", "secret");
/// Bytes of `/page.txt`.
pub const PAGE_BYTES: usize = 100_000;

/// MD5 of `ann:testkit:secret`, as htdigest writes it.
const DIGEST_FILE: &str = "ann:testkit:dd92af225bfb81b259ec4052ded57c71\n";
/// Where Debian keeps the modules.
const MODULES: &str = "/usr/lib/apache2/modules";
const LOADED: [&str; 17] = [
    "mpm_event",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_user",
    "auth_basic",
    "auth_digest",
    "alias",
    "mime",
    "filter",
    "deflate",
    "brotli",
    "include",
    "headers",
    "reqtimeout",
    "ssl",
    "socache_shmcb",
];

/// A running httpd on 127.0.0.1; stopped, and its folder removed, when it is dropped.
///
/// `/page.txt` is [`PAGE_BYTES`] bytes; `/gzip/page.txt` and `/br/page.txt` are compressed when the
/// client takes that; `/page.shtml` comes in chunks; `/digest/page.txt` and `/basic/page.txt` want
/// the [`ACCOUNT`]. A connection ends after [`REQUESTS_PER_CONNECTION`] requests or a second of
/// rest.
pub struct Apache {
    plain: SocketAddr,
    tls: SocketAddr,
    service: Service,
}

impl Apache {
    /// `http://127.0.0.1:port`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.plain)
    }

    /// The same pages with TLS: `https://127.0.0.1:port`.
    pub fn tls_url(&self) -> String {
        format!("https://{}", self.tls)
    }

    /// The lines of its access log so far: connection number, request line and status.
    pub fn accesses(&self) -> Vec<String> {
        let log = fs::read_to_string(self.service.folder().join("access.log"));
        log.unwrap_or_default()
            .lines()
            .filter(|line| !line.contains(" /started "))
            .map(str::to_owned)
            .collect()
    }
}

/// Starts httpd with this certificate on its TLS port.
///
/// `None`, said loudly, when httpd is not installed.
///
/// # Panics
/// When it is missing and `CI` is set, or when it does not start; the message has its error log.
pub fn start(identity: &Identity) -> Option<Apache> {
    let program = need::program("apache2");
    let there = program.is_some() && Path::new(MODULES).is_dir();
    if !need::need("Apache httpd (Debian: apt-get install apache2-bin)", there) {
        return None;
    }
    let program = program?;
    Some(retried("httpd", || try_start(&program, identity)))
}

fn try_start(program: &Path, identity: &Identity) -> Result<Apache, String> {
    let addrs = free_addrs(Ipv4Addr::LOCALHOST.into(), 2)?;
    let (plain, tls) = (addrs[0], addrs[1]);
    let folder = scratch("apache")?;
    let (certificate, key) = identity.write(&folder, "server");
    let text = configuration(plain, tls, &folder)
        + &format!(
            "SSLCertificateFile {certificate:?}\nSSLCertificateKeyFile {key:?}\n</VirtualHost>\n"
        );
    let conf = folder.join("httpd.conf");
    let files = folder.join("files");
    let write =
        |path: &Path, text: &str| fs::write(path, text).map_err(|e| format!("{path:?}: {e}"));
    fs::create_dir_all(&files).map_err(|e| format!("{files:?}: {e}"))?;
    write(&conf, &text)?;
    write(&folder.join("digest"), DIGEST_FILE)?;
    // {SHA}: base64 of SHA-1 of "secret"
    write(
        &folder.join("basic"),
        "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n",
    )?;
    write(&files.join("page.txt"), &page())?;
    let included = "<!--#include virtual=\"/page.txt\" -->\n";
    write(&files.join("page.shtml"), included)?;
    let mut command = Command::new(program);
    command.args(["-D", "FOREGROUND", "-f"]).arg(&conf);
    let mut service = Service::start(command, folder)?;
    service.wait_until(|_| {
        let answer = Client::connect(plain).and_then(|mut client| client.get("/started"));
        answer.is_ok_and(|reply| reply.status == 404)
    })?;
    Ok(Apache {
        plain,
        tls,
        service,
    })
}

/// Text that compresses well, and in which each line is another.
fn page() -> String {
    let lines = (0..).map(|i| format!("line {i:05} of a page that is served by httpd\n"));
    let mut text: String = lines.take(PAGE_BYTES / 40).collect();
    text.truncate(PAGE_BYTES);
    text
}

/// Ends within the block of the TLS port.
fn configuration(plain: SocketAddr, tls: SocketAddr, folder: &Path) -> String {
    let loads: String = LOADED
        .iter()
        .map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"))
        .collect();
    // Root does not serve pages; nobody reads what all may read.
    let user = if rustix::process::getuid().is_root() {
        "User nobody\nGroup nogroup\n"
    } else {
        ""
    };
    let root = folder.display();
    format!(
        "{loads}{user}ServerRoot \"{root}\"
ServerName localhost
PidFile \"{root}/httpd.pid\"
DefaultRuntimeDir \"{root}\"
ErrorLog \"{root}/error.log\"
LogFormat \"%{{c}}L %r %>s\" short
CustomLog \"{root}/access.log\" short
Listen {plain}
Listen {tls}
StartServers 1
ServerLimit 1
ThreadsPerChild 32
MaxRequestWorkers 32
KeepAlive On
MaxKeepAliveRequests {REQUESTS_PER_CONNECTION}
KeepAliveTimeout 1
RequestReadTimeout header=5 body=20
TypesConfig /dev/null
AddType text/plain .txt
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
DocumentRoot \"{root}/files\"
<Directory \"{root}/files\">
  Options +Includes
  Require all granted
</Directory>
Alias /gzip \"{root}/files\"
Alias /br \"{root}/files\"
Alias /digest \"{root}/files\"
Alias /basic \"{root}/files\"
<Location /gzip>
  SetOutputFilter DEFLATE
</Location>
<Location /br>
  SetOutputFilter BROTLI_COMPRESS
</Location>
<Location /digest>
  AuthType Digest
  AuthName testkit
  AuthDigestQop auth
  AuthUserFile \"{root}/digest\"
  Require valid-user
</Location>
<Location /basic>
  AuthType Basic
  AuthName testkit
  AuthUserFile \"{root}/basic\"
  Require valid-user
</Location>
<VirtualHost {tls}>
SSLEngine on
SSLProtocol +TLSv1.2 +TLSv1.3
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::{Authority, Flaw};

    #[test]
    fn serves_its_pages_and_ends() {
        let identity = Authority::new().server(Flaw::None);
        let Some(apache) = start(&identity) else {
            return;
        };
        let mut client = Client::connect(apache.plain).unwrap();
        let page = client.get("/page.txt").unwrap();
        assert_eq!((page.status, page.body.len()), (200, PAGE_BYTES));
        for protected in ["/digest/page.txt", "/basic/page.txt"] {
            assert_eq!(client.get(protected).unwrap().status, 401);
        }
        let headers = "Authorization: Basic YW5uOnNlY3JldA==\r\n";
        let known = client.request("GET", "/basic/page.txt", headers, b"");
        assert_eq!(known.unwrap().status, 200);
        let addr = apache.plain;
        drop(apache);
        assert!(Client::connect(addr).is_err());
    }
}
