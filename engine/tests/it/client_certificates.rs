//! Client certificates of users: each shows its own, whatever its files look like.

use crate::runs::{launch_at, prepare_at};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use testkit::certificates::{Authority, Flaw, Identity};
use testkit::faults::{FaultOrigin, Script, TlsSide, Versions};
use testkit::need;
use testkit::nginx::{self, TlsPort};

/// Three users, each with a pass.
const THREE_USERS: &str = "iterations_max = 3\n[[load]]\nmodel = \"closed\"\nscenarios = \"main\"\n\
    phases = [{ users = 3, for = \"60s\" }]\n";
/// Users have the rows of `certs.csv` in their order.
const BY_ROW: &str = "[data.certs]\nfile = \"certs.csv\"\n[tls]\ninsecure = true\n\
    client_data = \"certs\"\n";

/// An identity as a PKCS#12 file that openssl makes with these options.
fn pkcs12(folder: &Path, identity: &Identity, name: &str, options: &[&str]) -> Vec<u8> {
    let (certificate, key) = identity.write(folder, name);
    let out = folder.join(format!("{name}.p12"));
    let made = Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", "pass:s3cret", "-in"])
        .arg(certificate)
        .arg("-inkey")
        .arg(key)
        .arg("-out")
        .arg(&out)
        .args(options)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "openssl: {said}");
    std::fs::read(out).unwrap()
}

fn has_openssl() -> bool {
    need::need("openssl", need::program("openssl").is_some())
}

/// What openssl writes by default, what it wrote before version 3, and with triple DES.
const KINDS: [(&str, &[&str]); 3] = [
    ("modern", &[]),
    ("legacy", &["-legacy"]),
    (
        "des",
        &[
            "-keypbe",
            "PBE-SHA1-3DES",
            "-certpbe",
            "PBE-SHA1-3DES",
            "-macalg",
            "sha1",
        ],
    ),
];

#[test]
fn each_user_shows_the_certificate_of_its_row() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let identity = authority.server(Flaw::None);
    let port = TlsPort {
        protocols: "TLSv1.2 TLSv1.3",
        identity: &identity,
        client_authority: Some(clients.pem()),
        server: "location / { return 200 $ssl_client_s_dn; }",
    };
    let Some(nginx) = nginx::start_with("", &[port]).filter(|_| has_openssl()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("https://127.0.0.1:{}", nginx.tls_addr(0).port());
    let ann = clients.client("ann");
    let (bob, cid) = (clients.client("bob"), clients.client("cid"));
    let modern = pkcs12(folder.path(), &bob, "bob", KINDS[0].1);
    let legacy = pkcs12(folder.path(), &cid, "cid", KINDS[1].1);
    let files: [(&str, &[u8]); 5] = [
        (
            "certs.csv",
            b"name,cert,key,pkcs12,password\nann,ann.pem,ann.key,,\nbob,,,bob.p12,s3cret\ncid,,,cid.pfx,\n",
        ),
        ("ann.pem", ann.certificate.as_bytes()),
        ("ann.key", ann.key.as_bytes()),
        ("bob.p12", &modern),
        ("cid.pfx", &legacy),
    ];
    let scenario = r#"
        local me = user:row("certs")
        for _ = 1, 4 do
          local reply = user:get("/", { keepalive = false, keep_body = true })
          user:check(me.name, reply.body == "CN=" .. user:row("certs").name)
        end
        user:sleep(1)
    "#;
    for versions in ["1.2", "1.3"] {
        let more = format!("password = \"s3cret\"\nversions = \"{versions}\"\n");
        let load = format!("{THREE_USERS}{BY_ROW}{more}");
        let summary = launch_at(&url, scenario, &load, &files).finish();
        assert_eq!(summary.totals.counts.ok, 12, "{:?}", summary.failures);
        let mut passed: Vec<(&str, u64, u64)> = summary
            .checks
            .iter()
            .map(|check| (&check.name[..], check.passed, check.failed))
            .collect();
        passed.sort_unstable();
        assert_eq!(passed, [("ann", 4, 0), ("bob", 4, 0), ("cid", 4, 0)]);
        // Each resumes its own sessions: the first handshake of each is full.
        assert_eq!(summary.events.count("tls_full"), 3, "{versions}");
        assert_eq!(summary.events.count("tls_resumed"), 9, "{versions}");
    }
}

#[test]
fn one_pkcs12_file_is_for_all_users() {
    if !has_openssl() {
        return;
    }
    let (authority, clients) = (Authority::new(), Authority::new());
    let (server, folder) = (authority.server(Flaw::None), tempfile::tempdir().unwrap());
    let side = TlsSide::asking(&server, Versions::Both, clients.pem());
    let origin = FaultOrigin::start_tls(Script::each(Script::good()), side);
    let url = format!("https://localhost:{}", origin.addr().port());
    let tables = "[tls]\ninsecure = true\npkcs12 = \"me.p12\"\npassword = ";
    for (kind, options) in KINDS {
        let file = pkcs12(folder.path(), &clients.client("me"), kind, options);
        let load = format!("{THREE_USERS}{tables}\"s3cret\"\n");
        let summary = launch_at(&url, "user:get('/')", &load, &[("me.p12", &file)]).finish();
        assert_eq!(
            summary.totals.counts.ok, 3,
            "{kind}: {:?}",
            summary.failures
        );
        for (password, expected) in [
            ("wrong", "me.p12: the password is wrong"),
            ("", "me.p12: it has a password, and `password` gives none"),
        ] {
            let load = format!("{THREE_USERS}{tables}\"{password}\"\n");
            let (ready, _) = prepare_at(&url, "user:get('/')", &load, &[("me.p12", &file)]);
            let message = ready.err().unwrap().to_string();
            assert!(message.starts_with("tls.pkcs12: "), "{kind}: {message}");
            assert!(message.ends_with(expected), "{kind}: {message}");
        }
    }
}

#[test]
fn a_refused_certificate_has_its_kind() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = authority.server(Flaw::None);
    let [expired, stranger] = [
        clients.client_with("ann", Flaw::Expired),
        Authority::new().client("bob"),
    ];
    for versions in [Versions::Tls12, Versions::Tls13] {
        for identity in [&expired, &stranger] {
            let side = TlsSide::asking(&server, versions, clients.pem());
            let origin = FaultOrigin::start_tls(Script::each(Script::good()), side);
            let url = format!("https://localhost:{}", origin.addr().port());
            let files: [(&str, &[u8]); 3] = [
                ("certs.csv", b"cert,key\nme.pem,me.key\n"),
                ("me.pem", identity.certificate.as_bytes()),
                ("me.key", identity.key.as_bytes()),
            ];
            let load = format!("{THREE_USERS}{BY_ROW}");
            let summary = launch_at(&url, "user:get('/')", &load, &files).finish();
            let refused = summary.failures.count("tls_client_certificate");
            assert_eq!(refused, 3, "{versions:?}: {:?}", summary.failures);
        }
    }
}

#[test]
fn what_is_wrong_with_rows_is_told_before_the_load() {
    let clients = Authority::new();
    let (ann, bob) = (clients.client("ann"), clients.client("bob"));
    let mut rows = String::from("cert,key,pkcs12\n");
    rows += "ann.pem,ann.key,\nann.pem,bob.key,\nann.pem,,\nmissing.pem,ann.key,\n,,ann.pem\n";
    for number in 0..100 {
        writeln!(rows, "none{number}.pem,ann.key,").unwrap();
    }
    let files: [(&str, &[u8]); 4] = [
        ("certs.csv", rows.as_bytes()),
        ("ann.pem", ann.certificate.as_bytes()),
        ("ann.key", ann.key.as_bytes()),
        ("bob.key", bob.key.as_bytes()),
    ];
    let load = format!("{THREE_USERS}{BY_ROW}");
    let (ready, _) = prepare_at("https://localhost:1", "user:get('/')", &load, &files);
    let message = ready.err().unwrap().to_string();
    let lines: Vec<&str> = message.lines().collect();
    let expected = [
        "certs.csv: row 3: found cert, expected `cert` and `key`, or `pkcs12`",
        "certs.csv: row 2, column key: ",
        "certs.csv: row 4, column cert: ",
        "certs.csv: row 5, column pkcs12: ",
        "certs.csv: row 6, column cert: ",
    ];
    assert_eq!(lines.len(), 6, "{message}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.contains(expected), "{expected} in {message}");
    }
    assert!(lines[1].contains("this is not the key of the certificate in"));
    assert!(lines[2].contains("missing.pem"), "{message}");
    assert!(lines[3].contains("PKCS#12 is wanted, and this is PEM"));
    assert_eq!(lines[5], "and 99 more rows like these");
}

#[test]
fn unique_certificates_end_with_their_rows() {
    let clients = Authority::new();
    let (server, ann) = (Authority::new().server(Flaw::None), clients.client("ann"));
    let side = TlsSide::asking(&server, Versions::Both, clients.pem());
    let origin = FaultOrigin::start_tls(Script::each(Script::good()), side);
    let url = format!("https://localhost:{}", origin.addr().port());
    let files: [(&str, &[u8]); 3] = [
        ("certs.csv", b"cert,key\nme.pem,me.key\nme.pem,me.key\n"),
        ("me.pem", ann.certificate.as_bytes()),
        ("me.key", ann.key.as_bytes()),
    ];
    let unique = BY_ROW.replace("[tls]", "order = \"unique\"\nat_end = \"stop\"\n[tls]");
    let load = "[[load]]\nmodel = \"open\"\nscenarios = \"main\"\narrivals = \"even\"\n\
        phases = [{ rate = \"10/s\", for = \"1s\" }]\n";
    let load = format!("{load}{unique}");
    let summary = launch_at(&url, "user:get('/')", &load, &files).finish();
    assert_eq!(summary.totals.counts.ok, 2, "{:?}", summary.failures);
}
