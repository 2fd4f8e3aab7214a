//! Client certificates of `[tls]`.

use super::*;
use crate::{Password, TlsIdentity};
use std::path::PathBuf;

const HEAD: &str = "[run]\nscript = \"s\"\ntarget = \"https://h\"\n[tls]\n";
const DATA: &str = "[data.certs]\nfile = \"certs.csv\"\n";

fn of(lines: &str) -> String {
    format!("{HEAD}{lines}\n{DATA}{LOAD}")
}

#[test]
fn identities_are_read() {
    let plan = plan(&of("pkcs12 = \"me.p12\"\npassword = \"s3cret\""));
    let file = TlsIdentity::Pkcs12(PathBuf::from("me.p12"));
    assert_eq!(plan.tls.identity, Some(file));
    assert_eq!(plan.tls.password, Password::new("s3cret"));
    assert!(!format!("{:?}", plan.tls).contains("s3cret"));
    let plan = super::plan(&of("client_data = \"certs\""));
    assert_eq!(plan.tls.client_data.as_deref(), Some("certs"));
    assert_eq!(plan.tls.identity, None);
}

#[test]
fn wrong_identities_are_told() {
    let rows = [
        (
            "cert = \"a\"\nkey = \"b\"\npkcs12 = \"c\"",
            "7:1: found both `tls.cert` and `tls.pkcs12`, expected one of them",
        ),
        (
            "client_data = \"certs\"\npkcs12 = \"c\"",
            "5:1: found both `tls.pkcs12` and `tls.client_data`, expected one of them",
        ),
        (
            "password = \"x\"",
            "5:1: `tls.password` is only allowed with `tls.pkcs12` or `tls.client_data`",
        ),
        (
            "pkcs12 = 1",
            "5:10: found the number 1, expected the path of a PKCS#12 file (`tls.pkcs12`)",
        ),
        (
            "client_data = \"cert\"",
            "5:15: found the unknown data \"cert\"; did you mean \"certs\"? (`tls.client_data`)",
        ),
        (
            "client_data = \"certs\"\n[connections]\npool = \"shared\"",
            "5:15: `tls.client_data` is not allowed with `pool = \"shared\"` in [connections]: a \
             connection has the certificate of one user, so others can't use it",
        ),
    ];
    for (lines, expected) in rows {
        check(&of(lines), &[expected]);
    }
}
