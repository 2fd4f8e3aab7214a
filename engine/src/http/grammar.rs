//! Classes of bytes that RFC 9110 names, shared by what reads and what writes.

/// A byte of a token (RFC 9110 section 5.6.2): method names, field names.
pub(super) const fn is_token(byte: u8) -> bool {
    matches!(byte,
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9'
        | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_'
        | b'`' | b'|' | b'~')
}

/// A byte of a field value (RFC 9110 section 5.5): visible, blank, tab, or beyond ASCII.
pub(super) const fn is_field_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..=0xff)
}
