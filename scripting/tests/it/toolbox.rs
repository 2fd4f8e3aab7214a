//! The toolbox: known answers of digests, encodings, ids, URLs, times and random values.

use crate::world::{check_fails, check_logs, world};

/// Every row's expression must be the text.
fn check_values(rows: &[(&str, &str)]) {
    for (expression, expected) in rows {
        check_logs(&[(&format!("log({expression})"), &[expected])]);
    }
}

/// RFC 1321 (A.5), RFC 3174 (7.3) and RFC 6234 (8.5).
#[test]
fn digests_are_those_of_the_rfcs() {
    let digits = "('1234567890'):rep(8)";
    let long = "'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'";
    check_values(&[
        ("hash.md5('')", "d41d8cd98f00b204e9800998ecf8427e"),
        ("hash.md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
        (
            "hash.md5('message digest')",
            "f96b697d7cb7938d525a2f31aaf161d0",
        ),
        (
            &format!("hash.md5({digits})"),
            "57edf4a22be3c955ac49da2e2107b67a",
        ),
        (
            "hash.sha1('abc')",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
        ),
        (
            &format!("hash.sha1({long})"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
        ),
        (
            "hash.sha256('abc')",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            &format!("hash.sha256({long})"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            "hash.sha384('abc')",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            "hash.sha512('abc')",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        ("hash.md5('a', 'hex')", "0cc175b9c0f1b6a831c399e269772661"),
        ("hash.md5('a', 'base64')", "DMF1ucDxtqgxw5niaXcmYQ=="),
        ("hash.md5('a', 'base64url')", "DMF1ucDxtqgxw5niaXcmYQ"),
        (
            "hex.encode(hash.md5('a', 'raw'))",
            "0cc175b9c0f1b6a831c399e269772661",
        ),
    ]);
}

/// RFC 4231 (4.2, 4.3, 4.4, 4.7, 4.8) and RFC 2202 (2, 3).
#[test]
fn authentication_codes_are_those_of_the_rfcs() {
    let (first, jefe) = (
        "(('\\11'):rep(20), 'Hi There')",
        "('Jefe', 'what do ya want for nothing?')",
    );
    let third = "(('\\170'):rep(20), ('\\221'):rep(50))";
    let (key, long_key) = (
        "('\\170'):rep(131)",
        "Test Using Larger Than Block-Size Key - Hash Key First",
    );
    let long_text = "This is a test using a larger than block-size key and a larger than block-size data. \
                     The key needs to be hashed before being used by the HMAC algorithm.";
    check_values(&[
        (
            &format!("hmac.sha256{first}"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            &format!("hmac.sha384{first}"),
            "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        ),
        (
            &format!("hmac.sha512{first}"),
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
        ),
        (
            &format!("hmac.md5{jefe}"),
            "750c783e6ab0b503eaa86e310a5db738",
        ),
        (
            &format!("hmac.sha1{jefe}"),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (
            &format!("hmac.sha256{jefe}"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            &format!("hmac.sha512{jefe}"),
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
        (
            &format!("hmac.sha256{third}"),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        ),
        (
            &format!("hmac.sha256({key}, '{long_key}')"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &format!("hmac.sha256({key}, '{long_text}')"),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
        (
            "hmac.sha256('Jefe', 'what do ya want for nothing?', 'base64')",
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
        ),
    ]);
}

/// RFC 4648 (10).
#[test]
fn encodings_are_those_of_the_rfc() {
    for (plain, base64, hex) in [
        ("", "", ""),
        ("f", "Zg==", "66"),
        ("fo", "Zm8=", "666f"),
        ("foo", "Zm9v", "666f6f"),
        ("foob", "Zm9vYg==", "666f6f62"),
        ("fooba", "Zm9vYmE=", "666f6f6261"),
        ("foobar", "Zm9vYmFy", "666f6f626172"),
    ] {
        let bare = base64.trim_end_matches('=');
        check_values(&[
            (&format!("base64.encode('{plain}')"), base64),
            (&format!("base64.decode('{base64}')"), plain),
            (&format!("base64url.encode('{plain}')"), bare),
            (&format!("base64url.decode('{bare}')"), plain),
            (&format!("base64url.decode('{base64}')"), plain),
            (&format!("hex.encode('{plain}')"), hex),
            (&format!("hex.decode('{hex}')"), plain),
            (
                &format!("hex.decode('{}')", hex.to_ascii_uppercase()),
                plain,
            ),
        ]);
    }
    check_values(&[
        ("base64.encode('\\251\\239\\255')", "++//"),
        ("base64url.encode('\\251\\239\\255')", "--__"),
        (
            "base64.decode('a?')",
            "nil\tnot base64: Invalid symbol 63, offset 1.",
        ),
        (
            "base64url.decode('++//')",
            "nil\tnot base64url: Invalid symbol 43, offset 0.",
        ),
        ("hex.decode('0g')", "nil\tnot hexadecimal: \"g\" at byte 2"),
        (
            "hex.decode('012')",
            "nil\tnot hexadecimal: 3 digits, an odd number",
        ),
    ]);
}

/// RFC 9562 (A.3, A.6).
#[test]
fn uuids_are_those_of_the_rfc_and_of_the_stream() {
    let uuids = world("log(user:uuid()) log(user:uuid(7)) log(user:uuid(4) ~= user:uuid(4))");
    let random = [
        0x9191_08f7_52d1_3320,
        0x1bac_f847_db41_48a8,
        0x0cc3_18c4_dc0c_0c07,
        0x398f << 48,
    ];
    uuids.host.randoms.borrow_mut().extend(random);
    uuids.host.unix_ms.set(0x017f_22e2_79b0);
    uuids.once().unwrap();
    assert_eq!(
        uuids.host.logs.take(),
        [
            "919108f7-52d1-4320-9bac-f847db4148a8",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
            "true"
        ]
    );
    check_fails(&[(
        "user:uuid(5)",
        &["user:uuid: the version must be 4 or 7, not 5"],
    )]);
}

#[test]
fn random_values_fit_what_was_asked() {
    check_values(&[
        (
            "#user:random_text(12), user:random_text(99):find('[^%w]')",
            "12\tnil",
        ),
        ("user:random_text(5, 'x'), user:random_text(0)", "xxxxx\t"),
        ("#user:random_text(3, 'äö')", "6"),
        ("user:random_name():match('^%u%l+ %u%l+$') ~= nil", "true"),
        (
            "user:random_email():match('^%l+%.%l+%d+@example%.%l+$') ~= nil",
            "true",
        ),
        ("user:choice({ 7 })", "7"),
    ]);
    let seen = world(
        "local seen = {}
         for _ = 1, 200 do seen[user:choice({ 'a', 'b', 'c' })] = true end
         log(seen.a, seen.b, seen.c)",
    );
    seen.once().unwrap();
    assert_eq!(seen.host.logs.take(), ["true\ttrue\ttrue"]);
    // The same stream gives the same values.
    let all = "log(user:random_text(9), user:random_name(), user:random_email(), user:uuid())";
    let (one, other) = (world(all), world(all));
    one.once().unwrap();
    other.once().unwrap();
    assert_eq!(one.host.logs.take(), other.host.logs.take());
    check_fails(&[
        (
            "user:random_text(-1)",
            &["user:random_text: the length must be a whole number from 0 to 1048576, not -1"],
        ),
        ("user:random_text('5')", &["not \"5\""]),
        (
            "user:random_text(5, '')",
            &["the alphabet must have at least one character"],
        ),
        (
            "user:random_text(5, 5)",
            &["the alphabet must be a string, not 5"],
        ),
        (
            "user.choice({}, { 1 })",
            &["user:choice was not called on the running user"],
        ),
        (
            "user:choice({})",
            &["user:choice: the list must be a table with at least one item, not an empty one"],
        ),
        ("user:choice(1)", &["not 1"]),
        (
            "user.uuid()",
            &["user:uuid was not called on the running user"],
        ),
    ]);
}

#[test]
fn urls_are_encoded_joined_and_taken_apart() {
    check_values(&[
        ("url.encode('a b&c/ä~*')", "a%20b%26c%2F%C3%A4~%2A"),
        ("url.encode('a b~*', 'form')", "a+b%7E*"),
        ("url.encode({ q = 'x y', a = { 1, 2 } })", "a=1&a=2&q=x%20y"),
        ("url.decode('a%20b+%C3%A4%2')", "a b+ä%2"),
        ("url.decode('a+b%2B', 'form')", "a b+"),
        ("url.join('http://h/a/b?x', '../c?y#z')", "http://h/c?y#z"),
        ("url.join('http://h/a', 'https://i')", "https://i/"),
        (
            "url.join('/a', 'b')",
            "nil\tnot an absolute URL: relative URL without a base",
        ),
        (
            "url.parse('/a')",
            "nil\tnot an absolute URL: relative URL without a base",
        ),
    ]);
    check_logs(&[(
        "local u = url.parse('https://ann:secret@Shop.test:8443/a/b?x=1&y=%20z&x=2#top')
         log(u.scheme, u.user, u.password, u.host, u.port, u.path, u.query, u.fragment)
         log(u.params.x, u.params.y)
         local v = url.parse('http://h')
         log(v.port, v.path, v.query, v.user, v.fragment, next(v.params))",
        &[
            "https\tann\tsecret\tshop.test\t8443\t/a/b\tx=1&y=%20z&x=2\ttop",
            "1\t z",
            "80\t/\tnil\tnil\tnil\tnil",
        ],
    )]);
}

#[test]
fn json_is_what_requests_send() {
    let value = "{ b = 1, a = { 'x', null, array() }, n = integer('9007199254740993'), f = 0.5 }";
    let sent = world(&format!(
        "log(json.encode({value})) user:post('/', {{ json = {value} }})"
    ));
    sent.once().unwrap();
    let body = sent.requests.borrow()[0].body.clone().unwrap();
    assert_eq!(sent.host.logs.take(), [String::from_utf8(body).unwrap()]);
    check_values(&[
        ("json.encode('a\\n')", "\"a\\n\""),
        (
            "json.encode(nil), json.encode(null), json.encode({}), json.encode({ 1 })",
            "null\tnull\t{}\t[1]",
        ),
        ("json.decode('{\"a\":[1,{\"b\":2}]}').a[2].b", "2"),
        ("json.decode('null')", "nil"),
        (
            "json.decode('[1')",
            "nil\tnot JSON: EOF while parsing a list at line 1 column 2",
        ),
        ("json.encode(json.decode('[]'))", "[]"),
    ]);
    check_fails(&[
        (
            "json.encode({ a = print })",
            &["json.encode: the value.a: a function can't be JSON"],
        ),
        (
            "json.decode({})",
            &["json.decode: the text must be a string, not a table"],
        ),
    ]);
}

#[test]
fn times_are_written_and_read() {
    let now = world("log(time.now(), time.format(time.now()))");
    now.host.unix_ms.set(1_440_938_160_123);
    now.once().unwrap();
    assert_eq!(
        now.host.logs.take(),
        ["1440938160123\t2015-08-30T12:36:00.123Z"]
    );
    check_values(&[
        (
            "time.format(784111777000, 'http')",
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ),
        (
            "time.format(784111777000.9, 'iso')",
            "1994-11-06T08:49:37.000Z",
        ),
        ("time.format(-1)", "1969-12-31T23:59:59.999Z"),
        (
            "time.format(951782400000, '%Y-%m-%d %j %H:%M:%S %s')",
            "2000-02-29 060 00:00:00 951782400",
        ),
        ("time.format(0, '%d/%b/%y')", "01/Jan/70"),
        ("time.parse('1994-11-06T08:49:37Z')", "784111777000"),
        (
            "time.parse('1994-11-06T08:49:37.250+01:00')",
            "784108177250",
        ),
        ("time.parse('19941106T084937Z')", "784111777000"),
        ("time.parse('1994-11-06T08:49:37')", "784111777000"),
        ("time.parse(' 1994-11-06 ')", "784080000000"),
        (
            "time.parse('Sun, 06 Nov 1994 08:49:37 GMT', 'http')",
            "784111777000",
        ),
        (
            "time.parse('Sunday, 06-Nov-94 08:49:37 GMT', 'http')",
            "784111777000",
        ),
        (
            "time.parse('06.11.1994 08:49', '%d.%m.%Y %H:%M')",
            "784111740000",
        ),
        ("time.parse('06.11.1994', '%d.%m.%Y')", "784080000000"),
        ("time.parse('784111777', '%s')", "784111777000"),
        ("time.parse('x', 'http')", "nil\tnot a date of HTTP: \"x\""),
        ("(time.parse('1994-13-06'))", "nil"),
        ("(time.parse('06.11', '%d.%m.%Y'))", "nil"),
        ("(time.parse('06.11.1994 x', '%d.%m.%Y'))", "nil"),
    ]);
    let (_, why) = ("", "local _, why = time.parse('1.1.1 x', '%d') log(why)");
    let said = world(why);
    said.once().unwrap();
    assert!(said.host.logs.take()[0].contains("does not fit the format"));
}

/// Calls and what their errors say.
const WRONG: &[(&str, &[&str])] = &[
    (
        "hash.md5()",
        &["hash.md5: the text must be a string, not nil"],
    ),
    (
        "hash.sha256(5)",
        &["hash.sha256: the text must be a string, not 5"],
    ),
    (
        "hash.sha1('a', 'hexx')",
        &[
            "hash.sha1: the form must be \"hex\", \"base64\", \"base64url\" or \"raw\", not \"hexx\"",
        ],
    ),
    (
        "hmac.sha256(nil, 'a')",
        &["hmac.sha256: the key must be a string, not nil"],
    ),
    (
        "hmac.sha256('a', {})",
        &["hmac.sha256: the text must be a string, not a table"],
    ),
    (
        "base64.encode(1)",
        &["base64.encode: the text must be a string, not 1"],
    ),
    (
        "hex.decode(true)",
        &["hex.decode: the text must be a string, not true"],
    ),
    (
        "url.encode(1)",
        &["url.encode: the text must be a string or a table of parameters, not 1"],
    ),
    (
        "url.encode('a', 'x')",
        &["url.encode: the form must be \"query\" or \"form\", not \"x\""],
    ),
    (
        "url.join('a')",
        &["url.join: the link must be a string, not nil"],
    ),
    ("url.parse('\\255')", &["url.parse: the URL must be UTF-8"]),
    (
        "time.format('now')",
        &[
            "time.format: the time must be milliseconds since 1970 in the years -9999 to 9999, not \"now\"",
        ],
    ),
    (
        "time.format(1e300)",
        &["time.format: the time must be milliseconds"],
    ),
    (
        "time.format(0, 'isoo')",
        &[
            "time.format: the format must be \"iso\", \"http\" or a pattern such as \"%Y-%m-%d\", not \"isoo\"",
        ],
    ),
    (
        "time.format(0, '%!')",
        &["time.format: the format \"%!\": "],
    ),
    (
        "time.parse(5)",
        &["time.parse: the text must be a string, not 5"],
    ),
    (
        "hash.sha265('a')",
        &["unknown function of hash: \"sha265\"; did you mean sha256?"],
    ),
    ("hash.md5, x = nil", &["undeclared global 'x'"]),
];

#[test]
fn wrong_arguments_name_function_argument_and_what_is_allowed() {
    check_fails(WRONG);
}
