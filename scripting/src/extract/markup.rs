//! The attributes of a tag that is still being read: the reader of HTML compares them with each
//! other before it hands the tag on, so they are counted here from outside.
//!
//! The text is cut where markup begins and ends. A piece that begins with `<` and gives no token
//! is a tag or a comment that goes on; its attributes are told apart as the standard of HTML does.

use super::page::limit;

/// How much is read at once at most, in bytes.
pub(super) const PIECE_BYTES: usize = 512;
/// Attributes of one tag.
const ATTRIBUTES_MAX: usize = 1_000;
/// Words of what may be a tag, where that is not certain.
const WORDS_MAX: usize = 8_192;

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Inside {
    /// Text, or what cannot be told.
    Other,
    Tag(Place),
    /// Nothing in it is compared.
    Comment,
}

/// Where in a tag.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    TagName,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Value,
    Quoted(u8),
}

/// Follows the text beside the reader.
#[derive(Debug)]
pub(super) struct Markup {
    inside: Inside,
    attributes: usize,
    /// So far without a token, outside of what is known.
    words: usize,
    /// Tokens that the reader gave.
    tokens: u64,
}

impl Default for Markup {
    fn default() -> Markup {
        Markup {
            inside: Inside::Other,
            attributes: 0,
            words: 0,
            tokens: 0,
        }
    }
}

impl Markup {
    /// How much of the text to read next.
    pub(super) fn piece_length(&self, text: &str) -> usize {
        let mut end = text.len().min(PIECE_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let bytes = &text.as_bytes()[..end];
        let cut = match (self.inside, bytes.first()) {
            (Inside::Other, Some(b'<')) => {
                let next = memchr::memchr2(b'<', b'>', &bytes[1..]);
                next.map(|at| 1 + at + usize::from(bytes[1 + at] == b'>'))
            }
            (Inside::Other, _) => memchr::memchr(b'<', bytes),
            _ => memchr::memchr(b'>', bytes).map(|at| at + 1),
        };
        cut.unwrap_or(end)
    }

    /// A piece was read, and the reader has given so many tokens by now.
    ///
    /// # Errors
    ///
    /// The limit that the tag exceeds.
    pub(super) fn note(&mut self, piece: &str, tokens: u64) -> Result<(), String> {
        let bytes = piece.as_bytes();
        if tokens != self.tokens {
            if let Inside::Tag(place) = self.inside {
                self.tag(place, bytes); // its last piece
            }
            (self.tokens, self.words, self.inside) = (tokens, 0, Inside::Other);
            return limit(self.attributes, ATTRIBUTES_MAX, "attributes in one tag");
        }
        if self.inside == Inside::Other {
            self.inside = match bytes {
                [b'<', b'/', letter, ..] | [b'<', letter, ..] if letter.is_ascii_alphabetic() => {
                    self.attributes = 0;
                    Inside::Tag(Place::TagName)
                }
                [b'<', b'!' | b'?', ..] => Inside::Comment,
                _ => Inside::Other,
            };
        }
        match self.inside {
            Inside::Tag(place) => self.inside = self.tag(place, bytes),
            Inside::Comment => {}
            Inside::Other => {
                let breaks = |byte: &&u8| byte.is_ascii_whitespace() || b"/\"'".contains(byte);
                self.words += bytes.iter().filter(breaks).count();
            }
        }
        limit(self.attributes, ATTRIBUTES_MAX, "attributes in one tag")?;
        limit(self.words, WORDS_MAX, "words in what may be a tag")
    }

    /// Goes on in a tag.
    fn tag(&mut self, mut place: Place, bytes: &[u8]) -> Inside {
        for &byte in bytes {
            let is_blank = byte.is_ascii_whitespace();
            place = match (place, byte) {
                (Place::Quoted(quote), _) if byte == quote => Place::BeforeName,
                (Place::Quoted(_), _) => place,
                (_, b'>') => return Inside::Other,
                (Place::BeforeValue, b'"' | b'\'') => Place::Quoted(byte),
                (Place::BeforeValue, _) if is_blank => place,
                (Place::BeforeValue, _) => Place::Value,
                (Place::Value, _) if is_blank => Place::BeforeName,
                (Place::Value, _) => place,
                (Place::Name, _) if is_blank => Place::AfterName,
                (Place::AfterName, _) if is_blank => place,
                (Place::Name | Place::AfterName, b'=') => Place::BeforeValue,
                (_, b'/') => Place::BeforeName,
                (_, _) if is_blank => Place::BeforeName,
                (Place::TagName | Place::Name, _) => place,
                (Place::BeforeName | Place::AfterName, _) => {
                    self.attributes += 1;
                    Place::Name
                }
            };
        }
        Inside::Tag(place)
    }
}
