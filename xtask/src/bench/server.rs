//! The server that a bench loads: our own target or nginx, on one core of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use testkit::certificates::{Authority, Flaw};

use crate::Failure;
use crate::bench::usage;
use crate::project::{find_program, release_binary};
use crate::run::Background;

/// How long a server may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A running server; it ends with this value.
pub struct Server {
    process: Background,
    /// `127.0.0.1:PORT`
    pub authority: String,
    /// Of nginx: its folder, removed at the end.
    folder: Option<PathBuf>,
    /// Of TLS: the authority of its certificate, a file.
    pub authority_file: Option<PathBuf>,
}

impl Server {
    /// Starts `mistress target`, pinned to `cpu`.
    pub fn mistress(cpu: usize) -> Result<Server, Failure> {
        let mut command = Command::new(release_binary("mistress"));
        command.args([
            "target",
            "--listen",
            "127.0.0.1:0",
            "--cpu",
            &cpu.to_string(),
        ]);
        let process = Background::start(command)?;
        let line = process.line_with("listening on http://", START_LIMIT)?;
        let authority = line.rsplit("http://").next().unwrap_or_default();
        let authority = authority.trim().trim_end_matches('/').to_owned();
        Ok(Server {
            process,
            authority,
            folder: None,
            authority_file: None,
        })
    }

    /// Starts nginx as one process, pinned to `cpu`, with a small fixed body.
    pub fn nginx(cpu: usize) -> Result<Server, Failure> {
        let place = "location / { return 200 'hello world'; }";
        Server::start_nginx(cpu, "", |_| Ok(place.to_owned()))
    }

    /// The same with TLS; its certificate (ECDSA, P-256) is for 127.0.0.1. `/` is small,
    /// `/plain` and `/gzip` have heads and bodies of the same length, the second with a content
    /// coding.
    pub fn nginx_tls(cpu: usize) -> Result<Server, Failure> {
        let authority = Authority::new();
        let mut server = Server::start_nginx(cpu, " ssl", |folder| {
            let (certificate, key) = authority.server(Flaw::None).write(folder, "server");
            write_pages(folder)?;
            Ok(format!(
                "ssl_certificate {certificate:?}; ssl_certificate_key {key:?};
                ssl_protocols TLSv1.2 TLSv1.3;
                location = / {{ return 200 'hello world'; }}
                location = /plain {{ alias {folder}/plain; add_header Content-Location /raw; }}
                location = /gzip {{ alias {folder}/gzip; add_header Content-Encoding gzip; }}",
                folder = folder.display()
            ))
        })?;
        let folder = server.folder.as_deref().ok_or("nginx has a folder")?;
        server.authority_file = Some(authority.write(folder, "authority"));
        Ok(server)
    }

    /// Starts nginx on a free port with the lines of its `server` block that `lines` makes for
    /// its folder.
    fn start_nginx(
        cpu: usize,
        listen: &str,
        lines: impl FnOnce(&Path) -> Result<String, Failure>,
    ) -> Result<Server, Failure> {
        let program = find_program("nginx").ok_or("nginx: not installed")?;
        // Free when asked for; another process taking it meanwhile shows as a failed start.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("mistress-nginx-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let config = folder.join("nginx.conf");
        let lines = lines(&folder)?;
        let listen = format!("listen 127.0.0.1:{port}{listen};");
        std::fs::write(
            &config,
            nginx_config(&listen, &lines, &folder.display().to_string()),
        )?;
        let mut command = Command::new("taskset");
        command
            .args(["-c", &cpu.to_string()])
            .arg(program)
            .arg("-c")
            .arg(&config);
        let process = Background::start(command)?;
        let authority = format!("127.0.0.1:{port}");
        let server = Server {
            process,
            authority,
            folder: Some(folder),
            authority_file: None,
        };
        server.wait_for_port()?;
        Ok(server)
    }

    fn wait_for_port(&self) -> Result<(), Failure> {
        let deadline = std::time::Instant::now() + START_LIMIT;
        while std::net::TcpStream::connect(&self.authority).is_err() {
            if std::time::Instant::now() >= deadline {
                return Err(format!("{}: nothing listens", self.authority).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        let scheme = if self.authority_file.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.authority)
    }

    /// CPU time it has used so far, in seconds.
    pub fn cpu_s(&self) -> Result<f64, Failure> {
        usage::cpu_s(self.process.id()).map_err(|error| format!("the server: {error}").into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // The folder lies in the system's temporary folder: what stays is swept there.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// Writes `plain`, text that hardly repeats itself, and `gzip`, a compressed text, both of as many
/// bytes.
fn write_pages(folder: &Path) -> Result<(), Failure> {
    let text: String = (0_u64..400)
        .map(|i| format!("{:x}\n", i.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    let source = folder.join("text");
    std::fs::write(&source, &text)?;
    let packed = Command::new("gzip").arg("-nc").arg(&source).output()?;
    if !packed.status.success() || packed.stdout.len() >= text.len() {
        return Err("gzip did not compress the page".into());
    }
    std::fs::write(folder.join("plain"), &text[..packed.stdout.len()])?;
    std::fs::write(folder.join("gzip"), &packed.stdout)?;
    Ok(())
}

/// One process without a master, no log, connections that never end.
fn nginx_config(listen: &str, lines: &str, folder: &str) -> String {
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log stderr crit;
        worker_rlimit_nofile 65536;
        events {{ worker_connections 32768; }}
        http {{
            access_log off; default_type text/plain; keepalive_requests 1000000000;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
            scgi_temp_path {folder}/scgi;
            server {{ {listen} {lines} }}
        }}"
    )
}
