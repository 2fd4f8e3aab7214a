//! The cookies of one user (RFC 6265, with what browsers added in its revision "6265bis").
//!
//! No clock: the time of day is handed in, in seconds since 1970. A user has few cookies, so they
//! are one list in the order in which a request names them: longer paths first, then older ones.
//! There is no list of public suffixes: a domain of one label is refused instead. Every request
//! of a user counts as one within the same site, so SameSite keeps no cookie back.

mod date;
mod field;

pub(crate) use field::SameSite;
use field::SetCookie;

/// Cookies one user keeps; the oldest gives way.
const COOKIES_MAX: usize = 300;
/// Of which from one domain (section 6.1 asks for 50 at least, browsers have 180).
const OF_DOMAIN_MAX: usize = 180;

/// Where a request goes, as far as cookies care.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Lower case; an address without brackets.
    pub(crate) host: &'a str,
    /// Path and query, beginning with `/`.
    pub(crate) path: &'a str,
    /// The connection is encrypted.
    pub(crate) is_secure: bool,
}

/// One cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cookie {
    pub(crate) name: Box<[u8]>,
    pub(crate) value: Box<[u8]>,
    /// Lower case, no dot first.
    pub(crate) domain: Box<str>,
    /// Begins with `/`.
    pub(crate) path: Box<str>,
    /// Seconds since 1970; none: as long as the user.
    pub(crate) expires_s: Option<i64>,
    /// For the very host that set it, not for those below it.
    pub(crate) host_only: bool,
    pub(crate) is_secure: bool,
    pub(crate) http_only: bool,
    pub(crate) same_site: SameSite,
    /// Cookies made before it in its jar; what replaces a cookie keeps its number.
    pub(crate) made: u64,
}

/// What became of a Set-Cookie field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Kept, in place of one of the same name, domain and path if there was one.
    Stored,
    /// It had expired when it came: the way to remove one.
    Removed,
    /// Not understood, or not for this host.
    Ignored,
}

/// The cookies of one user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jar {
    cookies: Vec<Cookie>,
    made: u64,
}

impl Jar {
    /// Takes in the value of a Set-Cookie field of a reply from `place` (section 5.3).
    pub(crate) fn set(&mut self, field: &[u8], place: Place<'_>, now_s: i64) -> Outcome {
        let Some(field) = SetCookie::parse(field, now_s) else {
            return Outcome::Ignored;
        };
        let Some(cookie) = admitted(field, place) else {
            return Outcome::Ignored;
        };
        if !place.is_secure && self.shadows_secure(&cookie) {
            return Outcome::Ignored;
        }
        self.put(cookie, now_s)
    }

    /// Keeps a cookie that the script made.
    pub(crate) fn put(&mut self, mut cookie: Cookie, now_s: i64) -> Outcome {
        let same = |known: &Cookie| {
            known.name == cookie.name
                && known.domain == cookie.domain
                && known.path == cookie.path
                && known.host_only == cookie.host_only
        };
        let known = self.cookies.iter().position(same);
        let made = known.map(|at| self.cookies.remove(at).made);
        if is_expired(&cookie, now_s) {
            return Outcome::Removed;
        }
        cookie.made = made.unwrap_or(self.made);
        self.made += u64::from(made.is_none());
        self.make_room(&cookie.domain, now_s);
        let order = |c: &Cookie| (usize::MAX - c.path.len(), c.made);
        let at = self
            .cookies
            .partition_point(|known| order(known) < order(&cookie));
        self.cookies.insert(at, cookie);
        Outcome::Stored
    }

    /// Appends the value of the Cookie field for a request to `place` (section 5.4); whether there
    /// is one.
    pub(crate) fn write(&self, place: Place<'_>, now_s: i64, out: &mut Vec<u8>) -> bool {
        let begun = out.len();
        for cookie in self.matching(place, now_s) {
            if out.len() > begun {
                out.extend_from_slice(b"; ");
            }
            out.extend_from_slice(&cookie.name);
            out.push(b'=');
            out.extend_from_slice(&cookie.value);
        }
        out.len() > begun
    }

    /// The cookies for a request to `place`, in the order in which it names them.
    pub(crate) fn matching<'a>(
        &'a self,
        place: Place<'a>,
        now_s: i64,
    ) -> impl Iterator<Item = &'a Cookie> {
        let wanted = place
            .path
            .find('?')
            .map_or(place.path, |q| &place.path[..q]);
        self.cookies.iter().filter(move |cookie| {
            let host_fits = if cookie.host_only {
                *cookie.domain == *place.host
            } else {
                domain_matches(place.host, &cookie.domain)
            };
            host_fits
                && path_matches(wanted, &cookie.path)
                && (place.is_secure || !cookie.is_secure)
                && !is_expired(cookie, now_s)
        })
    }

    /// The latest made cookie of a name, wherever it is for.
    pub(crate) fn latest(&self, name: &[u8], now_s: i64) -> Option<&Cookie> {
        self.all(now_s)
            .filter(|cookie| *cookie.name == *name)
            .max_by_key(|cookie| cookie.made)
    }

    /// All that have not expired.
    pub(crate) fn all(&self, now_s: i64) -> impl Iterator<Item = &Cookie> {
        self.cookies
            .iter()
            .filter(move |cookie| !is_expired(cookie, now_s))
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.cookies.clear();
    }

    /// 6265bis section 5.7, step 16: who listens on the plain wire may not change what goes over
    /// the encrypted one.
    fn shadows_secure(&self, new: &Cookie) -> bool {
        self.cookies.iter().any(|known| {
            known.is_secure
                && known.name == new.name
                && (domain_matches(&known.domain, &new.domain)
                    || domain_matches(&new.domain, &known.domain))
                && path_matches(&new.path, &known.path)
        })
    }

    /// Section 5.3: first what has expired goes, then the oldest of a domain with too many, then
    /// the oldest of all.
    fn make_room(&mut self, domain: &str, now_s: i64) {
        if self.cookies.len() < OF_DOMAIN_MAX {
            return;
        }
        self.cookies.retain(|cookie| !is_expired(cookie, now_s));
        let of_domain = |cookie: &&Cookie| *cookie.domain == *domain;
        let crowded = self.cookies.iter().filter(of_domain).count() >= OF_DOMAIN_MAX;
        if !crowded && self.cookies.len() < COOKIES_MAX {
            return;
        }
        let candidates = self.cookies.iter();
        let oldest = candidates
            .filter(|cookie| !crowded || of_domain(cookie))
            .map(|cookie| cookie.made)
            .min();
        self.cookies.retain(|cookie| Some(cookie.made) != oldest);
    }
}

impl Cookie {
    /// A cookie as scripts make them.
    pub(crate) fn new(name: &[u8], value: &[u8], domain: &str, path: &str) -> Cookie {
        Cookie {
            name: name.into(),
            value: value.into(),
            domain: domain.into(),
            path: path.into(),
            expires_s: None,
            host_only: true,
            is_secure: false,
            http_only: false,
            same_site: SameSite::Unset,
            made: 0,
        }
    }
}

/// The cookie that a field makes for a host, unless the host may not set it.
fn admitted(field: SetCookie<'_>, place: Place<'_>) -> Option<Cookie> {
    if field.is_secure && !place.is_secure {
        return None; // 6265bis section 5.7, step 10
    }
    if field.same_site == SameSite::None && !field.is_secure {
        return None; // 6265bis section 5.7, step 18
    }
    let (domain, host_only) = match field.domain {
        None => (place.host.to_owned(), true),
        // What stands for a public suffix here: one label, unless it is the host itself.
        Some(domain) if !domain.contains('.') && domain != place.host => return None,
        Some(domain) if !domain.contains('.') => (domain, true),
        Some(domain) if domain_matches(place.host, &domain) => (domain, false),
        Some(_) => return None,
    };
    let path = match field.path {
        Some(path) => path,
        None => default_path(place.path).to_owned(),
    };
    let begins = |prefix: &[u8]| {
        let start = field.name.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    // 6265bis section 4.1.3.
    if begins(b"__Secure-") && !field.is_secure {
        return None;
    }
    if begins(b"__Host-") && !(field.is_secure && host_only && path == "/") {
        return None;
    }
    Some(Cookie {
        expires_s: field.expires_s,
        host_only,
        is_secure: field.is_secure,
        http_only: field.http_only,
        same_site: field.same_site,
        ..Cookie::new(field.name, field.value, &domain, &path)
    })
}

fn is_expired(cookie: &Cookie, now_s: i64) -> bool {
    cookie.expires_s.is_some_and(|end| end <= now_s)
}

/// Section 5.1.3.
pub(crate) fn domain_matches(host: &str, domain: &str) -> bool {
    if host == domain {
        return true;
    }
    let is_below = host
        .strip_suffix(domain)
        .is_some_and(|above| above.ends_with('.'));
    is_below && !is_address(host)
}

fn is_address(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok()
}

/// Section 5.1.4, default-path.
fn default_path(path: &str) -> &str {
    let path = path.find('?').map_or(path, |q| &path[..q]);
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(last) => &path[..last],
    }
}

/// Section 5.1.4, path-match.
fn path_matches(path: &str, cookie_path: &str) -> bool {
    let Some(rest) = path.strip_prefix(cookie_path) else {
        return false;
    };
    rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/')
}
