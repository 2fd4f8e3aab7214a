//! The toolbox: known answers of JSON Web Tokens and of AWS's signatures.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

use crate::world::{World, check_fails, check_logs, load};

/// RFC 7515, A.1: header and claims as the RFC has them, with line ends.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const HS256_HEADER: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
const HS256_KEY: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const HS256_SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// A.2: n, e, d, p, q, dp, dq, qi.
const RSA: [&str; 8] = [
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "AQAB",
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
    "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
    "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
    "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
    "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
    "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
];
const RS256_HEADER: &str = "eyJhbGciOiJSUzI1NiJ9";
const RS256_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
/// A.3: x, y, d.
const EC: [&str; 3] = [
    "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
];
const ES256_HEADER: &str = "eyJhbGciOiJFUzI1NiJ9";
const ES256_SIGNATURE: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 2;
const BITS: u8 = 3;
const OCTETS: u8 = 4;
const EC_ALGORITHM: &[u8] =
    b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const RSA_ALGORITHM: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = (content.len() as u16).to_be_bytes();
    let head = match content.len() {
        ..128 => vec![tag, low],
        128..256 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, content.to_vec()].concat()
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes[0] >= 128 { &[0] } else { &[] };
    der(INTEGER, &[sign, bytes].concat())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// The RSA key as PKCS#1 has it.
pub fn rsa_pkcs1() -> Vec<u8> {
    let numbers = RSA.map(|number| integer(&bytes(number)));
    der(SEQUENCE, &[vec![2, 1, 0], numbers.concat()].concat())
}

/// The P-256 key, read by its crate.
pub fn ec_pair() -> EcdsaKeyPair {
    let point = [vec![4], bytes(EC[0]), bytes(EC[1])].concat();
    let (how, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    EcdsaKeyPair::from_private_key_and_public_key(how, &bytes(EC[2]), &point, &random).unwrap()
}

/// Keys of the RFC in every form: RSA as PKCS#1, PKCS#8 and public, P-256 as SEC1, PKCS#8 and
/// public.
pub fn keys() -> [String; 6] {
    let numbers = RSA.map(|number| integer(&bytes(number)));
    let pkcs1 = rsa_pkcs1();
    let pkcs8 = |algorithm: &[u8], key: &[u8]| {
        der(
            SEQUENCE,
            &[&[2, 1, 0], algorithm, &der(OCTETS, key)].concat(),
        )
    };
    let info = |algorithm: &[u8], key: &[u8]| {
        der(
            SEQUENCE,
            &[algorithm, &der(BITS, &[&[0], key].concat())].concat(),
        )
    };
    let public = der(SEQUENCE, &numbers[..2].concat());
    let point = [vec![4], bytes(EC[0]), bytes(EC[1])].concat();
    let bits = der(0xa1, &der(BITS, &[&[0], &point[..]].concat()));
    let sec1 = der(
        SEQUENCE,
        &[vec![2, 1, 1], der(OCTETS, &bytes(EC[2])), bits].concat(),
    );
    [
        pem("RSA PRIVATE KEY", &pkcs1),
        pem("PRIVATE KEY", &pkcs8(RSA_ALGORITHM, &pkcs1)),
        pem("PUBLIC KEY", &info(RSA_ALGORITHM, &public)),
        pem("EC PRIVATE KEY", &sec1),
        pem("PRIVATE KEY", &pkcs8(EC_ALGORITHM, &sec1)),
        pem("PUBLIC KEY", &info(EC_ALGORITHM, &point)),
    ]
}

/// A world whose script has the keys of the RFC as `rsa1`, `rsa8`, `rsa`, `ec1`, `ec8`, `ec`, and
/// `claims` and `key` of A.1.
fn with_keys(body: &str) -> World {
    let [rsa1, rsa8, rsa, ec1, ec8, ec] = keys();
    let source = format!(
        "local rsa1, rsa8, rsa, ec1, ec8, ec = [[{rsa1}]], [[{rsa8}]], [[{rsa}]], [[{ec1}]], [[{ec8}]], [[{ec}]]
         local claims, key = base64url.decode('{CLAIMS}'), base64url.decode('{HS256_KEY}')
         return {{ main = function(user) {body} end }}"
    );
    load(&[("main.lua", &source)]).unwrap()
}

fn logs(body: &str) -> Vec<String> {
    let world = with_keys(body);
    world
        .once()
        .unwrap_or_else(|error| panic!("{body}: {error}"));
    world.host.logs.take()
}

#[test]
fn tokens_are_those_of_the_rfc() {
    let hs256 = format!("{HS256_HEADER}.{CLAIMS}.{HS256_SIGNATURE}");
    let rs256 = format!("{RS256_HEADER}.{CLAIMS}.{RS256_SIGNATURE}");
    let es256 = format!("{ES256_HEADER}.{CLAIMS}.{ES256_SIGNATURE}");
    let made = logs(
        r#"log(jwt.sign(claims, key, { header = '{"typ":"JWT",\r\n "alg":"HS256"}' }))
           log(jwt.sign(claims, rsa1, { alg = "RS256", header = '{"alg":"RS256"}' }))
           log(jwt.sign(claims, rsa8, { alg = "RS256", header = '{"alg":"RS256"}' }))"#,
    );
    assert_eq!(made, [hs256.clone(), rs256.clone(), rs256.clone()]);
    let read = logs(&format!(
        r#"for _, one in ipairs {{ {{ "{hs256}", key }}, {{ "{rs256}", rsa, "RS256" }}, {{ "{rs256}", rsa1, "RS256" }},
             {{ "{es256}", ec, "ES256" }}, {{ "{es256}", ec1, "ES256" }} }} do
             local claims, header = jwt.verify(one[1], one[2], {{ alg = one[3] }})
             log(claims.iss, claims.exp, claims["http://example.com/is_root"], header.alg)
           end"#
    ));
    let expected = ["HS256", "RS256", "RS256", "ES256", "ES256"]
        .map(|alg| format!("joe\t1300819380\ttrue\t{alg}"));
    assert_eq!(read, expected);
}

#[test]
fn tokens_that_were_made_are_read() {
    let made = logs(
        r#"local token = jwt.sign({ sub = "ann", n = 5 }, "secret")
           log(token)
           log(jwt.verify(token, "secret").sub, jwt.decode(token).n)
           for _, key in ipairs { ec1, ec8 } do
             local signed = jwt.sign({ sub = "ann" }, key, { alg = "ES256", header = { kid = "k1" } })
             local claims, header = jwt.verify(signed, ec, { alg = "ES256" })
             log(claims.sub, header.kid, header.typ, header.alg)
           end"#,
    );
    let expected = [
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuIjo1LCJzdWIiOiJhbm4ifQ.RHpvWTM7-fhEUmRGrVrOYPKqWUk0V6F9yVXPG7wjRRY",
        "ann\t5",
        "ann\tk1\tJWT\tES256",
        "ann\tk1\tJWT\tES256",
    ];
    assert_eq!(
        made[0].rsplit_once('.').unwrap().0,
        expected[0].rsplit_once('.').unwrap().0
    );
    assert_eq!(made[1..], expected[1..]);
}

/// Calls and what their errors say.
const WRONG: &[(&str, &str)] = &[
    (
        "jwt.sign(1, 'k')",
        "jwt.sign: the claims must be a table or a string, not 1",
    ),
    (
        "jwt.sign({})",
        "jwt.sign: the key must be a string, not nil",
    ),
    (
        "jwt.sign({}, 'k', 5)",
        "jwt.sign: the options must be a table, not 5",
    ),
    (
        "jwt.sign({}, 'k', { algo = 1 })",
        "jwt.sign: unknown option \"algo\"; did you mean alg?",
    ),
    (
        "jwt.sign({}, 'k', { alg = 'none' })",
        "jwt.sign: alg must be \"HS256\", \"RS256\" or \"ES256\", not \"none\"",
    ),
    (
        "jwt.sign({}, 'k', { header = { alg = 'HS256' } })",
        "jwt.sign: header: alg is an option of its own",
    ),
    (
        "jwt.sign({}, 'k', { header = 1 })",
        "jwt.sign: header must be a table or a string, not 1",
    ),
    (
        "jwt.sign({ f = print }, 'k')",
        "jwt.sign: the claims.f: a function can't be JSON",
    ),
    (
        "jwt.sign({}, 'k', { alg = 'RS256' })",
        "jwt.sign: the key must be an RSA private key in PEM",
    ),
    (
        "jwt.sign({}, ec1, { alg = 'RS256' })",
        "jwt.sign: the key must be an RSA private key in PEM",
    ),
    (
        "jwt.sign({}, ec8, { alg = 'RS256' })",
        "jwt.sign: the key is no RSA key",
    ),
    (
        "jwt.sign({}, rsa8, { alg = 'ES256' })",
        "jwt.sign: the key is no P-256 key",
    ),
    (
        "jwt.sign({}, rsa, { alg = 'ES256' })",
        "jwt.sign: the key must be a P-256 private key",
    ),
    (
        "local t = jwt.sign({}, ec1, { alg = 'ES256' }) jwt.verify(t, rsa, { alg = 'ES256' })",
        "jwt.verify: the public key must be a P-256 key",
    ),
    (
        "jwt.decode(5)",
        "jwt.decode: the token must be a string, not 5",
    ),
];

#[test]
fn wrong_tokens_are_told_and_wrong_arguments_are_errors() {
    let said = logs(
        r#"local token = jwt.sign({ a = 1 }, "one")
           log(jwt.verify(token, "two"))
           log(jwt.verify(token .. "x", "one"))
           log(jwt.verify(token, rsa, { alg = "RS256" }))
           log(jwt.decode("a.b"))
           log((select(2, jwt.decode("?.b.c"))))
           log((select(2, jwt.decode("YQ.YQ.c"))))"#,
    );
    assert_eq!(said[0], "nil\tthe signature does not fit");
    assert!(said[1].starts_with("nil\tthe signature "), "{}", said[1]);
    assert_eq!(said[2], "nil\talg is \"HS256\", not \"RS256\"");
    assert_eq!(said[3], "nil\ta token has 3 parts with dots between, not 2");
    assert!(
        said[4].starts_with("the header is not base64url: "),
        "{}",
        said[4]
    );
    assert!(
        said[5].starts_with("the header is not JSON: "),
        "{}",
        said[5]
    );
    for (body, expected) in WRONG {
        let error = with_keys(body).once().expect_err(body);
        assert!(
            error.message.contains(expected),
            "{body}: {}",
            error.message
        );
    }
}

const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

/// Requests of AWS's test suite for Signature Version 4, the example of IAM in its documentation,
/// and of S3: options, headers that are signed, signature.
const AWS: [(&str, &str, &str); 12] = [
    ("url = suite", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    (
        "url = suite .. 'example1/example2/../..'",
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    ("url = suite .. '/'", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    (
        "url = suite .. '?Param2=value2&Param1=value1'",
        "host;x-amz-date",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "url = suite .. '?ሴ=bar'",
        "host;x-amz-date",
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    (
        "url = suite .. '-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'",
        "host;x-amz-date",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    (
        "url = suite, headers = { ['My-Header1'] = ' value1', ['My-Header2'] = '\"a   b   c\"' }",
        "host;my-header1;my-header2;x-amz-date",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    (
        "method = 'POST', url = suite",
        "host;x-amz-date",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    (
        "method = 'POST', url = suite, headers = { ['Content-Type'] = 'application/x-www-form-urlencoded' },
         body = 'Param1=value1'",
        "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    (
        "method = 'POST', url = suite, session_token = token",
        "host;x-amz-date;x-amz-security-token",
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    ),
    (
        "url = 'https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08', service = 'iam',
         headers = { { 'content-type', 'application/x-www-form-urlencoded; charset=utf-8' } }",
        "content-type;host;x-amz-date",
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    ),
    (
        "url = 'https://examplebucket.s3.amazonaws.com/test.txt', service = 's3', headers = { Range = 'bytes=0-9' },
         access_key = 'AKIAIOSFODNN7EXAMPLE', secret_key = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
         time = time.parse('2013-05-24')",
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
];

#[test]
fn signatures_are_those_of_aws() {
    for (options, headers, signature) in AWS {
        let body = format!(
            "local suite, token = 'https://example.amazonaws.com/', '{TOKEN}'
             local request = {{ {options} }}
             local defaults = {{ service = 'service', region = 'us-east-1', access_key = 'AKIDEXAMPLE',
               secret_key = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', time = time.parse('2015-08-30T12:36:00Z') }}
             for key, value in pairs(defaults) do
               if request[key] == nil then request[key] = value end
             end
             local signed = aws.sign(request)
             log(signed.authorization:match('SignedHeaders=(.-), Signature=(%x+)$'))
             log(signed['x-amz-date'], signed.host, signed['x-amz-security-token'] == request.session_token)"
        );
        let world = crate::world::world(&body);
        world
            .once()
            .unwrap_or_else(|error| panic!("{options}: {error}"));
        let said = world.host.logs.take();
        assert_eq!(said[0], format!("{headers}\t{signature}"), "{options}");
        let day = if options.contains("'s3'") {
            "20130524T000000Z"
        } else {
            "20150830T123600Z"
        };
        assert_eq!(said[1], format!("{day}\tnil\ttrue"), "{options}");
    }
}

#[test]
fn a_signature_is_sent_as_it_was_made() {
    let options = "url = 'http://h:8000/a', service = 's3', region = 'eu', access_key = 'A', secret_key = 'B'";
    check_logs(&[(
        &format!(
            "local signed = aws.sign {{ {options}, headers = {{ Host = 'h:8000', ['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD' }} }}
             log(signed.host, signed['x-amz-content-sha256'], signed['x-amz-date'])
             user:get('http://h:8000/a', {{ headers = signed }})"
        ),
        &["h:8000\tUNSIGNED-PAYLOAD\t19700101T000000Z"],
    )]);
    check_fails(&[
        (
            "aws.sign()",
            &[
                "aws.sign: needs a table of access_key, body, headers, method,",
                "not nil",
            ],
        ),
        (
            "aws.sign(1)",
            &["aws.sign: the options must be a table, not 1"],
        ),
        (
            "aws.sign { uri = '' }",
            &["aws.sign: unknown option \"uri\"; did you mean url?"],
        ),
        ("aws.sign { }", &["aws.sign: url must be a string, not nil"]),
        (
            "aws.sign { url = '/a' }",
            &["aws.sign: url must be absolute, because the host is signed, not \"/a\""],
        ),
        (
            "aws.sign { url = 'http://h' }",
            &["aws.sign: service must be a string, not nil"],
        ),
        (
            "aws.sign { url = 'http://h', body = 1 }",
            &["aws.sign: body must be a string, not 1"],
        ),
        (
            "aws.sign { url = 'http://h', method = 'a b' }",
            &["aws.sign: the method"],
        ),
        (
            &format!("aws.sign {{ {options}, time = 'x' }}"),
            &["aws.sign: time must be milliseconds"],
        ),
        (
            "aws.sign { url = 'http://h', headers = { Authorization = 'x' } }",
            &["aws.sign: headers: authorization is computed and can't be given"],
        ),
        (
            "aws.sign { url = 'http://h', headers = { ['a b'] = 'x' } }",
            &["aws.sign: the header name"],
        ),
    ]);
}
