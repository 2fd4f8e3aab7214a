//! The toolbox: XPath 1.0 on replies and texts, and documents as tables.

use crate::world::{Answer, check_fails, check_logs, world};

const SHOP: &str = "<?xml version='1.0'?>
<shop xmlns='urn:shop' xmlns:x='urn:extra' currency='EUR'>
  <!-- the first --><?sort by-price?>
  <item id='1' x:rank='9'><name>Tea</name><price>2.50</price></item>
  <item id='2'><name>Coffee <b>black</b> &amp; strong</name><price>4</price></item>
  <item id='3' kind='cake'><name><![CDATA[<Cheese>]]></name><price>12</price><x:note>new</x:note></item>
  <empty/>
</shop>";

/// Expressions on the shop, and what all of their nodes or their values are.
const EXPRESSIONS: [(&str, &str); 64] = [
    ("/shop/@currency", "EUR"),
    ("//name", "Tea|Coffee black & strong|<Cheese>"),
    ("/shop/item[2]/price", "4"),
    ("//item[last()]/@id", "3"),
    ("//item[position() < 3]/@id", "1|2"),
    ("//item[@kind]/name", "<Cheese>"),
    ("//item[@kind='cake']/@id", "3"),
    ("//item[price > 3]/@id", "2|3"),
    ("//item[price > 3 and price < 10]/@id", "2"),
    ("//item[price = 4 or @id = '1']/@id", "1|2"),
    ("//item[not(@kind)]/@id", "1|2"),
    ("//item[name='Tea']/price", "2.50"),
    ("//b/..", "Coffee black & strong"),
    ("//b/ancestor::item/@id", "2"),
    ("//b/ancestor-or-self::*[1]", "black"),
    ("//b/ancestor::*[1]", "Coffee black & strong"),
    ("//item[2]/preceding-sibling::item/@id", "1"),
    ("//item[1]/following-sibling::item[1]/@id", "2"),
    ("//item[3]/preceding-sibling::item[1]/@id", "2"),
    ("//b/following::price[1]", "4"),
    ("//b/preceding::price", "2.50"),
    ("//b/preceding::item/@id", "1"),
    ("//item[2]/@id/following::price[1]", "4"),
    ("//item[2]/@id/..//b", "black"),
    ("//item[1]/descendant-or-self::node()/self::price", "2.50"),
    ("//item[1]/child::*", "Tea|2.50"),
    ("//x:note", "new"),
    ("//x:*", "new"),
    ("//@x:rank", "9"),
    ("//@rank", ""),
    ("//item[1]/@*", "1|9"),
    ("//text()[contains(., 'strong')]", " & strong"),
    ("//comment()", " the first "),
    ("//processing-instruction()", "by-price"),
    ("//processing-instruction('sort')", "by-price"),
    ("//processing-instruction('x')", ""),
    (
        "//name | //price[. = 4] | //name",
        "Tea|Coffee black & strong|4|<Cheese>",
    ),
    ("(//price)[2]", "4"),
    ("(//item)[1]/name", "Tea"),
    ("//item[name[b]]/@id", "2"),
    ("//empty", ""),
    ("//nothing", ""),
    ("count(//item)", "3"),
    ("sum(//price)", "18.5"),
    ("string(//item[2]/name)", "Coffee black & strong"),
    ("concat('a', 1 + 2 * 3, true())", "a7true"),
    ("10 div 4 - 1", "1.5"),
    ("-7 mod 3", "-1"),
    ("1 div 0", "inf"),
    ("number('x') = number('x')", "false"),
    ("string(number('x'))", "NaN"),
    ("floor(2.7) + ceiling(2.1) + round(2.5) + round(-2.5)", "6"),
    ("substring('12345', 2, 3)", "234"),
    ("substring('12345', 1.5, 2.6)", "234"),
    ("substring('12345', 0, 3)", "12"),
    ("substring('12345', -42, 1 div 0)", "12345"),
    ("substring('12345', 0 div 0, 3)", ""),
    ("substring-before('1999/04', '/')", "1999"),
    ("substring-after('1999/04', '/')", "04"),
    ("translate('--aaa--', 'abc-', 'ABC')", "AAA"),
    ("normalize-space('  a \n b ')", "a b"),
    (
        "string-length('äöü') = 3 and starts-with('abc', 'ab')",
        "true",
    ),
    (
        "concat(name(//x:note), ' ', local-name(//x:note), ' ', namespace-uri(/*))",
        "x:note note urn:shop",
    ),
    ("boolean(//b) != boolean(//nothing)", "true"),
];

#[test]
fn expressions_find_what_the_standard_says() {
    for (expression, expected) in EXPRESSIONS {
        let body = format!(
            "local all = user:get('/'):xpath_all([=[{expression}]=])
             for i = 1, #all do all[i] = tostring(all[i]) end
             log(table.concat(all, '|'))"
        );
        let world = world(&body);
        world.answers.borrow_mut().push_back(Answer::body(SHOP));
        world
            .once()
            .unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert_eq!(world.host.logs.take(), [expected], "{expression}");
    }
}

#[test]
fn the_first_node_or_the_value_is_returned() {
    let world = world(
        "local r = user:get('/')
         log(r:xpath('//name'), r:xpath('//nothing'), r:xpath('count(//item)') + 1, r:xpath('1 = 1'))
         log(r:xpath('//s:price', { s = 'urn:shop' }), #r:xpath_all('//s:price', { s = 'urn:extra' }))
         local other = user:get('/')
         log(other:xpath('//a'), #other:xpath_all('//a'))
         log(select(2, other:xpath('//a')) == select(2, other:xpath_all('//a')))",
    );
    world
        .answers
        .borrow_mut()
        .extend([Answer::body(SHOP), Answer::body("<a")]);
    world.once().unwrap();
    let said = world.host.logs.take();
    assert_eq!(said[..2], ["Tea\tnil\t4\ttrue", "2.50\t0"]);
    assert_eq!(said[2..4], ["nil\t0", "true"]);
}

#[test]
fn texts_are_searched_and_parsed() {
    check_logs(&[
        ("log(xml.xpath('<a><b>1</b></a>', 'a/b'), xml.xpath_all('<a><b/><b/></a>', '//b')[2])", &["1\t"]),
        (
            "local a = xml.parse('<p:a xmlns:p=\"u\" x=\"1\" p:y=\"2\"> t <b>c</b> <b/></p:a>')
             log(a.name, a.namespace, a.attributes.x, a.attributes['p:y'], a.text, #a, a[1].name, a[1].text)",
            &["a\tu\t1\t2\tt\t2\tb\tc"],
        ),
        ("log((xml.parse('<a>')))", &["nil"]),
    ]);
}

/// Calls and what their errors say.
const WRONG: &[(&str, &[&str])] = &[
    (
        "xml.xpath('<a/>', 'a[')",
        &["xml.xpath: the expression \"a[\": expected a step, not the end, at 3"],
    ),
    (
        "xml.xpath('<a/>', 'a]')",
        &["expected an operator or the end, not ']', at 2"],
    ),
    (
        "xml.xpath('<a/>', '')",
        &["expected a step, not the end, at 1"],
    ),
    ("xml.xpath('<a/>', '$x')", &["expected no variable"]),
    ("xml.xpath('<a/>', '\"x')", &["expected a closing quote"]),
    (
        "xml.xpath('<a/>', 'childs::a')",
        &["unknown axis \"childs\"; did you mean child?"],
    ),
    (
        "xml.xpath('<a/>', 'contain(a, b)')",
        &["unknown function \"contain\"; did you mean contains?"],
    ),
    (
        "xml.xpath('<a/>', 'contains(a)')",
        &["contains() has 1 arguments, not 2"],
    ),
    (
        "xml.xpath('<a/>', 'count(1)')",
        &["the expression needs nodes where it has a number"],
    ),
    (
        "xml.xpath('<a/>', 'x:a', { y = 'u' })",
        &["unknown prefix \"x\""],
    ),
    (
        "xml.xpath('<a/>', 'a', 5)",
        &["xml.xpath: the namespaces must be a table from prefix to URI, not 5"],
    ),
    (
        "xml.xpath('<a/>', 5)",
        &["xml.xpath: the expression must be a string, not 5"],
    ),
    (
        "xml.xpath(5, 'a')",
        &["xml.xpath: the text must be a string, not 5"],
    ),
    (
        "xml.parse(5)",
        &["xml.parse: the text must be a string, not 5"],
    ),
    (
        "user:get('/'):xpath()",
        &["reply:xpath: the expression must be a string, not nil"],
    ),
    (
        "user:get('/').xpath('a')",
        &["reply:xpath was not called on a reply"],
    ),
    (
        "xml.xpath('<a/>', ('('):rep(600))",
        &["the expression nests deeper than 32 levels"],
    ),
    (
        "xml.xpath('<a/>', ('1+'):rep(600) .. '1')",
        &["the expression has more than 200 parts"],
    ),
    (
        "xml.xpath('<a/>', ('-'):rep(600) .. '1')",
        &["more than 200 parts"],
    ),
    (
        "xml.xpath('<a>' .. ('<b/>'):rep(9000) .. '</a>', 'count(//b[//b = 1])')",
        &["the expression takes more than 10000000 steps on this document"],
    ),
    (
        "xml.xpath_all(('<a>x'):rep(500) .. ('y'):rep(300000) .. ('</a>'):rep(500), '//a')",
        &["the expression puts together more than 67108864 bytes of text"],
    ),
];

#[test]
fn wrong_expressions_are_errors_that_say_where() {
    check_fails(WRONG);
}
