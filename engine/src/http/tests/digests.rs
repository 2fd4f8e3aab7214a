//! Digest authentication against the examples of the standards.

use super::super::digest::{Challenge, Signer, client_nonce};

const SIGNER: Signer<'_> = Signer {
    user: "Mufasa",
    password: "Circle of Life",
    method: "GET",
    uri: "/dir/index.html",
    cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
};

fn find(fields: &[&str]) -> Option<Challenge> {
    Challenge::find(fields.iter().map(|field| field.as_bytes()))
}

fn response(field: &str) -> &str {
    let start = field.find("response=\"").expect("it has one") + 10;
    &field[start..start + field[start..].find('"').expect("it ends")]
}

/// RFC 7616 section 3.9.1.
fn of_7616(algorithm: &str) -> String {
    format!(
        "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
         opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
    )
}

#[test]
fn examples_of_the_standards() {
    let rfc_2617 = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
        nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
    let older = Signer {
        password: "Circle Of Life",
        cnonce: "0a4f113b",
        ..SIGNER
    };
    let rows = [
        (of_7616("MD5"), SIGNER, "8ca523f5e9506fed4657c9700eebdbec"),
        (
            of_7616("SHA-256"),
            SIGNER,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        (
            rfc_2617.to_owned(),
            older,
            "6629fae49393a05397450978507c4ef1",
        ),
    ];
    for (field, signer, expected) in rows {
        let mut challenge = find(&[&field]).expect("a challenge");
        let signed = challenge.authorize(signer);
        assert_eq!(response(&signed), expected, "{field}");
        assert!(
            signed.contains("nc=00000001") && signed.contains("qop=auth,"),
            "{signed}"
        );
    }
    // RFC 2069 section 2.4, with its erratum: no qop, no count.
    let mut oldest = find(&["Digest realm=\"testrealm@host.com\", \
        nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""])
    .expect("a challenge");
    let signed = oldest.authorize(Signer {
        password: "CircleOfLife",
        ..SIGNER
    });
    assert_eq!(response(&signed), "1949323746fe6a43ef61f9606e7febea");
    assert!(
        !signed.contains("nc=") && !signed.contains("cnonce"),
        "{signed}"
    );
}

#[test]
fn uses_are_counted_and_each_signs_anew() {
    let mut challenge = find(&[&of_7616("MD5")]).expect("a challenge");
    let first = challenge.authorize(SIGNER);
    let second = challenge.authorize(SIGNER);
    assert!(second.contains("nc=00000002"), "{second}");
    assert_ne!(response(&first), response(&second));
}

#[test]
fn the_strongest_known_challenge_is_taken() {
    let both = [of_7616("MD5"), of_7616("SHA-256")];
    let fields = [&both[0][..], &both[1]];
    let mut challenge = find(&fields).expect("a challenge");
    assert!(challenge.authorize(SIGNER).contains("algorithm=SHA-256"));
    let in_one = format!("Basic realm=\"x, y\", {}, {}", both[1], both[0]);
    let mut challenge = find(&[&in_one]).expect("a challenge");
    assert!(challenge.authorize(SIGNER).contains("algorithm=SHA-256"));
    let mut quotes = find(&["digest  Realm = \"a \\\"b\\\" \\\\ c\" ,NONCE=n1, stale=TRUE"])
        .expect("a challenge");
    assert!(quotes.is_stale);
    let signed = quotes.authorize(SIGNER);
    assert!(
        signed.contains("realm=\"a \\\"b\\\" \\\\ c\", nonce=\"n1\""),
        "{signed}"
    );
}

#[test]
fn what_cannot_be_met_is_no_challenge() {
    for field in [
        "",
        "Basic realm=\"x\"",
        "Digest",
        "Digest realm=\"x\"",
        "Digest nonce=\"x\"",
        "Digest realm=\"x\", nonce=\"y\", algorithm=SHA-512-256",
        "Digest realm=\"x\", nonce=\"y\", qop=\"auth-int\"",
        "realm=\"x\", nonce=\"y\"",
        ",,, ,",
        "Digest realm=\"x",
    ] {
        assert_eq!(find(&[field]), None, "{field}");
    }
}

#[test]
fn client_nonces_differ_and_repeat() {
    assert_eq!(client_nonce(1, 2, 3), client_nonce(1, 2, 3));
    assert_ne!(client_nonce(1, 2, 3), client_nonce(1, 2, 4));
    assert_eq!(client_nonce(1, 2, 3).len(), 32);
}
