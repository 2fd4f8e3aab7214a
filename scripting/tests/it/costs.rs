//! What functions of the toolbox cost in a script: in microseconds, or in comparison with the crate
//! that does the work, called from Rust. `cargo xtask acceptance toolbox` demands limits of an
//! optimised build; otherwise each is only called a few times.

use std::hint::black_box;
use std::time::Instant;

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use ring::{digest, hmac};

use crate::signatures::{ec_pair, keys, rsa_pkcs1};
use crate::world::{World, load};

/// Calls of one measurement, and measurements of which the best counts.
struct Form {
    calls: u32,
    repeats: u32,
}

impl Form {
    fn chosen() -> Form {
        match std::env::var_os("MISTRESS_TOOLBOX_COSTS") {
            Some(_) => Form {
                calls: 2_000,
                repeats: 15,
            },
            None => Form {
                calls: 3,
                repeats: 1,
            },
        }
    }

    /// The best time of one call in microseconds.
    fn us(&self, calls: u32, mut work: impl FnMut(u32)) -> f64 {
        let best = (0..self.repeats).map(|_| {
            let begun = Instant::now();
            work(calls);
            begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
        });
        best.fold(f64::INFINITY, f64::min)
    }
}

/// A script whose scenario makes a call in a loop; `before` runs once.
fn script(before: &str, call: &str, calls: u32) -> World {
    let source = format!(
        "{before}\nreturn {{ main = function(user) local r for i = 1, {calls} do r = {call} end return r end }}"
    );
    load(&[("main.lua", &source)]).unwrap()
}

const TEXT: &str =
    "local text = ('0123456789'):rep(10) local hexed, based = hex.encode(text), base64.encode(text)
    local token = jwt.sign({ sub = 'ann', scope = text }, 'secret')";

/// Of 100 bytes.
const SHORT: [&str; 13] = [
    "hash.md5(text)",
    "hash.sha1(text)",
    "hash.sha256(text)",
    "hash.sha512(text)",
    "hmac.md5('key', text)",
    "hmac.sha256('key', text)",
    "hmac.sha512('key', text, 'base64')",
    "base64.encode(text)",
    "base64.decode(based)",
    "base64url.encode(text)",
    "hex.encode(text)",
    "hex.decode(hexed)",
    "jwt.sign(text, 'secret')",
];

#[test]
fn toolbox_costs() {
    let form = Form::chosen();
    for call in SHORT {
        let world = script(TEXT, call, form.calls);
        let us = form.us(form.calls, |_| world.once().unwrap());
        println!("cost {call} | {us:.3} us");
    }
    let rows: [(&str, f64, f64); 4] = [rs256(&form), es256(&form), sigv4(&form), xpath(&form)];
    for (name, us, alone) in rows {
        println!("cost {name} | {:.3} times", us / alone);
    }
}

/// Keys of the tests, quoted for Lua, and what is signed.
fn with_key(key: &str) -> String {
    format!("local key = [[{key}]] local claims = {{ sub = 'ann', n = 5 }}")
}

fn rs256(form: &Form) -> (&'static str, f64, f64) {
    let calls = form.calls.div_ceil(100);
    let world = script(
        &with_key(&keys()[0]),
        "jwt.sign(claims, key, { alg = 'RS256' })",
        calls,
    );
    let us = form.us(calls, |_| world.once().unwrap());
    let pair = RsaKeyPair::from_der(&rsa_pkcs1()).unwrap();
    let (random, mut signature) = (SystemRandom::new(), vec![0; pair.public().modulus_len()]);
    let alone = form.us(calls, |calls| {
        for _ in 0..calls {
            let signed = pair.sign(
                &RSA_PKCS1_SHA256,
                &random,
                black_box(b"header.claims"),
                &mut signature,
            );
            signed.unwrap();
        }
    });
    ("jwt.sign with RS256", us, alone)
}

fn es256(form: &Form) -> (&'static str, f64, f64) {
    let calls = form.calls.div_ceil(4);
    let world = script(
        &with_key(&keys()[3]),
        "jwt.sign(claims, key, { alg = 'ES256' })",
        calls,
    );
    let us = form.us(calls, |_| world.once().unwrap());
    let (pair, random) = (ec_pair(), SystemRandom::new());
    let alone = form.us(calls, |calls| {
        for _ in 0..calls {
            black_box(pair.sign(&random, black_box(b"header.claims")).unwrap());
        }
    });
    ("jwt.sign with ES256", us, alone)
}

fn sigv4(form: &Form) -> (&'static str, f64, f64) {
    let before =
        "local request = { url = 'https://example.amazonaws.com/a/b?Param2=value2&Param1=value1',
        method = 'POST', body = 'Param1=value1', headers = { ['content-type'] = 'text/plain' },
        service = 'service', region = 'us-east-1', access_key = 'AKIDEXAMPLE',
        secret_key = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }";
    let world = script(before, "aws.sign(request)", form.calls);
    let us = form.us(form.calls, |_| world.once().unwrap());
    let alone = form.us(form.calls, |calls| {
        for _ in 0..calls {
            black_box(plain_sigv4(black_box("Param1=value1")));
        }
    });
    ("aws.sign", us, alone)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The steps of the standard in their order, as a program has them that keeps no key.
fn plain_sigv4(body: &str) -> String {
    let sha256 = |text: &str| hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    let mut params = ["Param2=value2".to_owned(), "Param1=value1".to_owned()];
    params.sort();
    let names = "content-type;host;x-amz-date";
    let fields =
        "content-type:text/plain\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n";
    let request = format!(
        "POST\n/a/b\n{}\n{fields}\n{names}\n{}",
        params.join("&"),
        sha256(body)
    );
    let scope = "20150830/us-east-1/service/aws4_request";
    let text = format!(
        "AWS4-HMAC-SHA256\n20150830T123600Z\n{scope}\n{}",
        sha256(&request)
    );
    let secret = "AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    for part in ["20150830", "us-east-1", "service", "aws4_request"] {
        let made = hmac::sign(&key, part.as_bytes());
        key = hmac::Key::new(hmac::HMAC_SHA256, made.as_ref());
    }
    let signature = hex(hmac::sign(&key, text.as_bytes()).as_ref());
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={names}, Signature={signature}"
    )
}

/// Two documents in turn, since one that equals the last is not read again.
fn xpath(form: &Form) -> (&'static str, f64, f64) {
    let calls = form.calls.div_ceil(20) * 2;
    let document = |name: &str| {
        let items = (0..300)
            .map(|n| format!("<item id='{n}'><name>{name} {n}</name><price>{n}.50</price></item>"));
        format!("<shop>{}</shop>", items.collect::<String>())
    };
    let (one, other) = (document("Tea"), document("Coffee"));
    let before = format!("local texts = {{ [0] = [[{one}]], [1] = [[{other}]] }}");
    let world = script(
        &before,
        "xml.xpath(texts[i % 2], \"//item[@id='299']/name\")",
        calls,
    );
    let us = form.us(calls, |_| world.once().unwrap());
    let texts = [one, other];
    let alone = form.us(calls, |calls| {
        for call in 0..calls as usize {
            let tree = roxmltree::Document::parse(&texts[call % 2]).unwrap();
            let mut nodes = tree.descendants();
            let item =
                nodes.find(|node| node.has_tag_name("item") && node.attribute("id") == Some("299"));
            let name = item
                .unwrap()
                .children()
                .find(|node| node.has_tag_name("name"));
            assert!(name.unwrap().text().is_some());
        }
    });
    ("xml.xpath", us, alone)
}
