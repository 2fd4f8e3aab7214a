//! A request as such: method, target, fields and body, before any protocol has put it into bytes.

/// A request that was checked. Its fields are those of HTTP/1.1 in their order; an encoder whose
/// protocol knows no `Host`, `Connection` or `Transfer-Encoding` leaves them out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// A token.
    pub(crate) method: Box<str>,
    /// Path and query as they go into the request line.
    pub(crate) target: Box<str>,
    pub(crate) fields: FieldLines,
    /// The body that goes out with the head; empty where it comes in pieces or not at all.
    pub(crate) body: Vec<u8>,
}

/// FieldLines in their order: lines of `Name: value`, each with its CR LF, none of which has another
/// inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldLines {
    lines: Vec<u8>,
}

impl FieldLines {
    /// Adds a field. Name and value were checked: a token, and text without line ends.
    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) {
        self.lines.extend_from_slice(name);
        self.lines.extend_from_slice(b": ");
        self.lines.extend_from_slice(value);
        self.lines.extend_from_slice(b"\r\n");
    }

    /// The fields as HTTP/1.1 writes them.
    pub(super) fn lines(&self) -> &[u8] {
        &self.lines
    }
}
