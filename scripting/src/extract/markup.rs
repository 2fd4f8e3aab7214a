//! Counts the attributes of a tag that is still being read: the HTML parser compares them with each
//! other before it emits the tag, so they are counted here from outside.
//!
//! The text is cut where markup begins and ends. A piece that begins with `<` and yields no token
//! is an unfinished tag or comment; its attributes are separated as the HTML standard defines.

/// Most bytes read at once.
pub(super) const PIECE_BYTES: usize = 512;
/// Most attributes of one tag.
const ATTRIBUTES_MAX: usize = 1_000;
/// Most words in what may be a tag, where that is uncertain.
const WORDS_MAX: usize = 8_192;

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Inside {
    /// Text, or something undetermined.
    Other,
    Tag(TagPosition),
    /// A comment; nothing in it is compared.
    Comment,
}

/// The position within a tag.
#[derive(Clone, Copy, Debug, PartialEq)]
enum TagPosition {
    TagName,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Value,
    Quoted(u8),
}

/// Follows the text in parallel with the parser.
#[derive(Debug)]
pub(super) struct Markup {
    inside: Inside,
    attributes: usize,
    /// Words since the last token, outside of known constructs.
    words: usize,
    /// Tokens the parser has emitted.
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

    /// Notes that a piece was read, and how many tokens the parser has emitted so far.
    ///
    /// # Errors
    ///
    /// The limit that the tag exceeds.
    pub(super) fn note(&mut self, piece: &str, tokens: u64) -> Result<(), String> {
        let bytes = piece.as_bytes();
        if tokens != self.tokens {
            if let Inside::Tag(position) = self.inside {
                self.tag(position, bytes); // its last piece
            }
            (self.tokens, self.words, self.inside) = (tokens, 0, Inside::Other);
            return limit(self.attributes, ATTRIBUTES_MAX, "attributes in one tag");
        }
        if self.inside == Inside::Other {
            self.inside = match bytes {
                [b'<', b'/', letter, ..] | [b'<', letter, ..] if letter.is_ascii_alphabetic() => {
                    self.attributes = 0;
                    Inside::Tag(TagPosition::TagName)
                }
                [b'<', b'!' | b'?', ..] => Inside::Comment,
                _ => Inside::Other,
            };
        }
        match self.inside {
            Inside::Tag(position) => self.inside = self.tag(position, bytes),
            Inside::Comment => {}
            Inside::Other => {
                let breaks = |byte: &&u8| byte.is_ascii_whitespace() || b"/\"'".contains(byte);
                self.words += bytes.iter().filter(breaks).count();
            }
        }
        limit(self.attributes, ATTRIBUTES_MAX, "attributes in one tag")?;
        limit(self.words, WORDS_MAX, "words in what may be a tag")
    }

    /// Continues within a tag.
    fn tag(&mut self, mut position: TagPosition, bytes: &[u8]) -> Inside {
        for &byte in bytes {
            let is_blank = byte.is_ascii_whitespace();
            position = match (position, byte) {
                (TagPosition::Quoted(quote), _) if byte == quote => TagPosition::BeforeName,
                (TagPosition::Quoted(_), _) => position,
                (_, b'>') => return Inside::Other,
                (TagPosition::BeforeValue, b'"' | b'\'') => TagPosition::Quoted(byte),
                (TagPosition::BeforeValue, _) if is_blank => position,
                (TagPosition::BeforeValue, _) => TagPosition::Value,
                (TagPosition::Value, _) if is_blank => TagPosition::BeforeName,
                (TagPosition::Value, _) => position,
                (TagPosition::Name, _) if is_blank => TagPosition::AfterName,
                (TagPosition::AfterName, _) if is_blank => position,
                (TagPosition::Name | TagPosition::AfterName, b'=') => TagPosition::BeforeValue,
                (_, b'/') => TagPosition::BeforeName,
                (_, _) if is_blank => TagPosition::BeforeName,
                (TagPosition::TagName | TagPosition::Name, _) => position,
                (TagPosition::BeforeName | TagPosition::AfterName, _) => {
                    self.attributes += 1;
                    TagPosition::Name
                }
            };
        }
        Inside::Tag(position)
    }
}

/// # Errors
///
/// The limit `most`, when more than that was found.
pub(super) fn limit(found: usize, most: usize, what: &str) -> Result<(), String> {
    if found <= most {
        return Ok(());
    }
    Err(format!("the page has more than {most} {what}"))
}
