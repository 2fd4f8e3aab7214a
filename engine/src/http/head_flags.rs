//! What a head asks of the client beyond framing, found once when the head is parsed.

/// A set of fields that a head has and that somebody may have to act on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeadFlags(u8);

impl HeadFlags {
    /// Nothing.
    pub(crate) const NONE: HeadFlags = HeadFlags(0);
    /// Set-Cookie.
    pub(crate) const COOKIES: HeadFlags = HeadFlags(1);
    /// Content-Encoding.
    pub(crate) const ENCODED: HeadFlags = HeadFlags(2);
    /// A redirect with a Location.
    pub(crate) const ELSEWHERE: HeadFlags = HeadFlags(4);
    /// Status 401 with WWW-Authenticate.
    pub(crate) const CHALLENGE: HeadFlags = HeadFlags(8);

    /// The head is not what the standard has, and was read all the same.
    pub(crate) const ODD: HeadFlags = HeadFlags(16);

    /// What something follows from once the reply is whole; a coding is undone before, or later.
    pub(crate) const FOLLOWED: HeadFlags = HeadFlags::COOKIES
        .with(HeadFlags::ELSEWHERE)
        .with(HeadFlags::CHALLENGE);

    /// Both together.
    pub(crate) const fn with(self, other: HeadFlags) -> HeadFlags {
        HeadFlags(self.0 | other.0)
    }

    /// What is in both.
    #[inline]
    pub(crate) const fn among(self, other: HeadFlags) -> HeadFlags {
        HeadFlags(self.0 & other.0)
    }

    /// Whether any of `other` is in it.
    #[inline]
    pub(crate) const fn has(self, other: HeadFlags) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing is in it.
    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What a field of this name stands for in a head with this status.
    pub(super) fn of_field(name: &str, status: u16) -> HeadFlags {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            8 if super::redirect::is_redirect(status) && is("location") => HeadFlags::ELSEWHERE,
            10 if is("set-cookie") => HeadFlags::COOKIES,
            16 if is("content-encoding") => HeadFlags::ENCODED,
            16 if status == 401 && is("www-authenticate") => HeadFlags::CHALLENGE,
            _ => HeadFlags::NONE,
        }
    }
}

/// The values of the fields of one name (lower case) in a raw head, without the blanks around
/// them. A line that goes on a folded field is not looked at.
pub(crate) fn values<'a>(
    head: &'a [u8],
    name: &'static str,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    head.split(|byte| *byte == b'\n')
        .skip(1)
        .filter_map(move |line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            // RFC 9112 section 5.1: a blank before the colon is none of the name.
            let found = line[..colon].trim_ascii_end();
            let fits = found.eq_ignore_ascii_case(name.as_bytes());
            fits.then(|| line[colon + 1..].trim_ascii())
        })
}
