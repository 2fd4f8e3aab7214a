//! What a target can send costs time in proportion to its bytes, whatever its shape: for each
//! reader that scripts have and each hostile shape, a byte of a large reply takes at most 1.5 times
//! what a byte of a small one takes. A reply that is refused counts until it is.
//!
//! `MISTRESS_SHAPE_BYTES=8388608` compares replies of that size with such of 100 KB, three times
//! each, and prints a line per reader and shape; without it the sizes are small.

use rustix::time::{ClockId, clock_gettime};

use crate::world::{Answer, World, world};

/// How much more time a byte of the large reply may take.
const RATIO_MAX: f64 = 1.5;
/// No head is larger: the engine refuses it long before.
const HEAD_BYTES_MAX: usize = 1 << 20;
/// A byte that takes less, in nanoseconds, is as fast as memory is: large replies are in no cache.
const MEMORY_NS: f64 = 0.3;
/// Tries before a ratio counts: the machine may be busy with other things.
const TRIES_MAX: usize = 6;

/// Refusals after a fixed amount of work, and the processor time in which it is done: the longest
/// is a second, of which the clock is read after each match.
const GIVEN_UP: [&str; 2] = ["the matches took more than", "the pattern takes more than"];
const GIVEN_UP_S: f64 = 2.0;

/// A shape: its name, its beginning, and what follows over and over, `#` standing for a number.
type Shape = (&'static str, &'static str, &'static str);

/// A reader: its name, what a script does, its shapes, and whether they are of heads.
type Reader = (
    &'static str,
    &'static str,
    &'static [Shape],
    fn(&'static str) -> Answer,
);

const HTML: [Shape; 20] = [
    ("nesting", "", "<div>"),
    ("nested formatting", "", "<b><i>"),
    ("formatting and paragraphs", "", "<b><p>x"),
    ("links in links", "", "<a href=http://h/#><p>"),
    ("shallow trees", "", "<ul><li><i>x</i></ul>"),
    ("attributes", "<a ", "a#=1 "),
    ("tags with attributes", "", "<p a=1 b=2 c=3 d=4 e=5 f=6>"),
    ("siblings", "", "<p>"),
    ("sources", "<video>", "<source src=http://h/#>"),
    ("ends", "", "</p></i></x>"),
    ("entities", "", "&amp;&notit;&#x41;&x"),
    ("a long entity", "&", "a"),
    ("a long name", "<", "name"),
    ("a long value", "<img src='http://h/", "x y/"),
    ("classes", "<p class='", "a# "),
    ("a wide table", "<table><tr>", "<td>x"),
    ("text in a table", "<table>", "x<tr>"),
    ("comments", "", "<!-- a -- b -><!x>"),
    ("a long comment", "<!--", "a - b "),
    ("brackets in a script", "<script>", "if (a<b </scr <!-- "),
];

const JSON: [Shape; 14] = [
    ("nested arrays", "", "["),
    ("nested objects", "", "{\"a\":"),
    ("numbers", "[1", ",#"),
    ("empty arrays", "[[]", ",[]"),
    ("objects", "[{}", ",{\"a\":{\"b\":#}}"),
    ("keys", "{\"a\":1", ",\"k#\":#"),
    ("one key", "{\"a\":1", ",\"a\":[]"),
    ("strings", "[\"\"", ",\"text #\""),
    ("a long string", "\"", "text"),
    ("escapes", "\"", "\\u0041\\n"),
    ("a long key", "{\"", "key"),
    ("digits", "[1", "2345"),
    ("digits of a fraction", "[0.1", "0000"),
    ("white space", "[", " \n\t"),
];

const TEXTS: [Shape; 12] = [
    ("one letter", "", "a"),
    ("two letters", "", "ab"),
    ("lines", "", "a\n"),
    ("brackets", "", "("),
    ("pairs of brackets", "", "(x)"),
    ("tags", "", "<a "),
    ("tags with a value", "", "<a x=\"#\">"),
    ("an open value", "<a x=\"", "text "),
    ("digits", "", "#"),
    ("blanks", "", "  \t"),
    ("letters of two bytes", "", "é"),
    ("many words", "", "a# = \"b\"; "),
];

const HEADS: [Shape; 10] = [
    ("fields", "", "x#: y\r\n"),
    ("one field", "", "x: y\r\n"),
    ("empty values", "", "x#:\r\n"),
    ("a long value", "x: ", "value "),
    ("a long name", "x", "name"),
    ("folded lines", "x: y\r\n", " z\r\n"),
    ("no fields", "", "line\r\n"),
    ("cookies", "", "set-cookie: a#=b; Path=/\r\n"),
    ("a cookie of many parts", "set-cookie: ", "a#=b; "),
    ("colons", "", ": :\r\n"),
];

const XML: [Shape; 10] = [
    ("nested tags", "", "<a>"),
    ("siblings", "<a>", "<b/>"),
    ("siblings with texts", "<a>", "<b>x</b>"),
    ("attributes", "<a ", "a#='1' "),
    ("tags with attributes", "<a>", "<b c='1' d='2' e='#'/>"),
    ("namespaces", "<a>", "<b xmlns:n#='u#'/>"),
    ("nested namespaces", "", "<a xmlns:n#='u#'>"),
    ("a long text", "<a>", "text &amp; "),
    ("sections", "<a>", "<![CDATA[x]]>y"),
    ("comments", "<a>", "<!-- b -->x"),
];

const READERS: [Reader; 13] = [
    (
        "xpath",
        "r:xpath_all('//b[@e]/c') r:xpath('string(/a)') r:xpath('count(//b/ancestor::a)')",
        &XML,
        document,
    ),
    (
        "css_all",
        "r:css_all('p > i, td:first-child, a[href*=z], li')",
        &HTML,
        Answer::body,
    ),
    ("css", "r:css('p a ~ b, x')", &HTML, Answer::body),
    ("page", "user:page('/')", &HTML, Answer::body),
    ("json", "r:json()", &JSON, Answer::body),
    (
        "json path",
        "r:json('a.b') r:json('[?a.b > 1].a.*')",
        &JSON,
        Answer::body,
    ),
    (
        "regex",
        r#"r:regex([[(\w+)\s*=\s*"([^"]*)"; z]])"#,
        &TEXTS,
        Answer::body,
    ),
    ("regex_all", "r:regex_all('a.*b|a')", &TEXTS, Answer::body),
    ("match", "r:match('<a.-x=\"(.-)\";')", &TEXTS, Answer::body),
    ("match %b", "r:match('%b()$')", &TEXTS, Answer::body),
    (
        "contains",
        "user:check(r, { contains = 'aaaaaaaaaab' }) r.body:find('aaaaab', 1, true)",
        &TEXTS,
        Answer::body,
    ),
    (
        "headers",
        "local _ = r.headers.x r:headers_all('x')",
        &HEADS,
        head,
    ),
    ("cookies", "r:cookie('a')", &HEADS, head),
];

/// A document whose tags are closed.
fn document(text: &'static str) -> Answer {
    let open = if text.starts_with("<a xmlns") || text.starts_with("<a><a>") {
        text.matches("<a").count()
    } else {
        1
    };
    let text = if text.starts_with("<a a") {
        format!("{text}/>")
    } else {
        text.to_owned() + &"</a>".repeat(open)
    };
    Answer::body(text.leak())
}

fn head(head: &'static str) -> Answer {
    Answer {
        head,
        ..Answer::default()
    }
}

/// Sizes and repetitions of a comparison.
struct Form {
    small_bytes: usize,
    large_bytes: usize,
    repeats: usize,
}

impl Form {
    fn is_short(&self) -> bool {
        self.repeats == 1
    }

    fn chosen() -> Form {
        let wanted = std::env::var("MISTRESS_SHAPE_BYTES");
        let wanted = wanted.ok().and_then(|bytes| bytes.parse().ok());
        match wanted {
            Some(large_bytes) => Form {
                small_bytes: 100 << 10,
                large_bytes,
                repeats: 3,
            },
            None => Form {
                small_bytes: 24 << 10,
                large_bytes: 192 << 10,
                repeats: 1,
            },
        }
    }
}

/// Whether a reply was refused after a fixed amount of work, within its time. Small replies do not
/// come near that limit, so they are no measure of one that does.
fn is_given_up(refused: Option<&str>, cpu_s: f64) -> bool {
    let is_fixed = |why: &str| GIVEN_UP.iter().any(|limit| why.contains(limit));
    refused.is_some_and(is_fixed) && cpu_s < GIVEN_UP_S
}

/// A text of so many bytes; two of different seeds are different.
fn text((_, begin, more): Shape, bytes: usize, seed: usize) -> &'static str {
    let mut text = begin.to_owned();
    let mut number = seed;
    while text.len() < bytes {
        number += 1;
        text.push_str(&more.replace('#', &number.to_string()));
    }
    text.push_str(&seed.to_string());
    text.leak()
}

/// Processor time of this thread, in seconds.
fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What an answer takes, in seconds, and how it was refused.
fn time_s(world: &World, answer: &Answer) -> (f64, Option<String>) {
    world.answers.borrow_mut().clear();
    // `user:page` asks a second time
    let answers = [answer.clone(), answer.clone()];
    world.answers.borrow_mut().extend(answers);
    let begun = cpu_s();
    let ended = world.once();
    (cpu_s() - begun, ended.err().map(|error| error.message))
}

/// The least times per byte of the large and of the small answer, in nanoseconds, and how the
/// large one was refused.
fn times_ns(form: &Form, world: &World, reader: &Reader, shape: Shape) -> (f64, f64, String) {
    let (.., answer) = *reader;
    // The last body is not parsed again: two take turns.
    let small = [0, 1_000_000].map(|seed| answer(text(shape, form.small_bytes, seed)));
    let large = answer(text(shape, form.large_bytes, 0));
    let (mut large_ns, mut small_ns) = (f64::INFINITY, f64::INFINITY);
    let mut refused = None;
    for tries in 1..=TRIES_MAX {
        time_s(world, &small[0]);
        let (large_s, refusal) = time_s(world, &large);
        refused = refusal;
        large_ns = large_ns.min(large_s * 1e9 / form.large_bytes as f64);
        if form.is_short() && is_given_up(refused.as_deref(), large_s) {
            small_ns = large_ns;
            break;
        }
        let (mut sum_s, mut bytes) = (0.0, 0);
        while bytes < form.large_bytes && sum_s < large_s {
            let turn = bytes / form.small_bytes % 2;
            sum_s += time_s(world, &small[1 - turn]).0;
            bytes += form.small_bytes;
        }
        small_ns = small_ns.min((sum_s * 1e9 / bytes as f64).max(MEMORY_NS));
        let is_enough = large_ns <= RATIO_MAX * small_ns || large_s >= 1.0;
        if tries >= form.repeats && is_enough {
            break;
        }
    }
    (large_ns, small_ns, refused.unwrap_or_default())
}

#[test]
fn a_byte_of_a_large_reply_costs_what_one_of_a_small_reply_costs() {
    let mut slow = Vec::new();
    for reader in &READERS {
        let (name, code, shapes, _) = *reader;
        let mut form = Form::chosen();
        if matches!(name, "headers" | "cookies") {
            form.large_bytes = form.large_bytes.min(HEAD_BYTES_MAX);
        }
        let world = world(&format!("local r = user:get('/') {code}"));
        for shape in shapes {
            let (large_ns, small_ns, refused) = times_ns(&form, &world, reader, *shape);
            let line = format!(
                "{name:<10} {:<26} {large_ns:>9.2} ns/byte, small {small_ns:>9.2}, ratio {:.2}  {refused:.90}",
                shape.0,
                large_ns / small_ns,
            );
            println!("{line}");
            if large_ns > RATIO_MAX * small_ns {
                slow.push(line);
            }
        }
    }
    assert!(
        slow.is_empty(),
        "more than {RATIO_MAX}:\n{}",
        slow.join("\n")
    );
}
