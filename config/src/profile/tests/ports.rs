//! How connections are closed, and the local ports they are made from.

use super::*;
use crate::{Close, Ports};

fn read(lines: &str) -> (Close, Ports) {
    let connections = plan(&format!("{RUN}[connections]\n{lines}\n{LOAD}")).connections;
    (connections.close, connections.ports)
}

#[test]
fn closing_and_ports_are_read() {
    assert_eq!(read(""), (Close::Graceful, Ports::System));
    let named = read("close = \"reset\"\nports = \"10000-60999\"");
    assert_eq!(named, (Close::Reset, Ports::Range(10_000, 60_999)));
    let named = read("close = \"graceful\"\nports = \"system\"");
    assert_eq!(named, (Close::Graceful, Ports::System));
    assert_eq!(read("ports = \"1024-1039\"").1, Ports::Range(1024, 1039));
    assert_eq!(
        read("ports = \"1024 - 65535\"").1,
        Ports::Range(1024, 65_535)
    );
}

#[test]
fn other_words_and_ranges_are_refused() {
    let allowed = "expected \"system\" or a range of at least 16 ports above 1023";
    let number = ("1024", "the number 1024");
    let texts = [
        "\"1023-60000\"",
        "\"1024-1038\"",
        "\"60000-10000\"",
        "\"1024-65536\"",
        "\"all\"",
        "\"1024\"",
    ];
    let rows = texts.into_iter().map(|text| (text, text));
    for (ports, found) in rows.chain([number]) {
        let text = format!("{RUN}[connections]\nports = {ports}\n{LOAD}");
        check(&text, &[&format!("5:9: found {found}, {allowed}")]);
    }
    let text = format!("{RUN}[connections]\nclose = \"fin\"\n{LOAD}");
    check(
        &text,
        &["5:9: found \"fin\", expected one of \"graceful\", \"reset\""],
    );
}
