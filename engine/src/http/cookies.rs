//! The cookies of one user (RFC 6265, with what browsers added in its revision "6265bis").
//!
//! The crate `cookie_store` keeps and matches them. Around it stands what it lacks: admission as
//! the revision has it, limits, the order in a request, names and values of any bytes. No clock:
//! the time of day is handed in, in seconds since 1970. Public suffixes are those of the list in the
//! crate `psl`, and every label that stands alone. Every request of a user counts as one within the
//! same site, so SameSite keeps no cookie back. The machine itself counts as safe, as in browsers.

mod date;
mod field;

use cookie_store::{CookieDomain, CookieExpiration, CookiePath, CookieStore, RawCookie};
use field::SetCookie;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};
use url::{Host, Url};

/// Cookies one user keeps; the oldest gives way. The crate has no limit.
const COOKIES_MAX: usize = 300;
/// Of which from one domain (section 6.1 asks for 50 at least, browsers have 180).
const OF_DOMAIN_MAX: usize = 180;

/// One kept cookie. Its Max-Age, which nobody asks for once its end is known, is its number: how
/// many were made before it in its jar. The crate has no creation time to sort by.
pub(crate) type Cookie = cookie_store::Cookie<'static>;

/// Where a request goes, as far as cookies care.
#[derive(Clone, Debug)]
pub(crate) struct CookieScope {
    url: Url,
}

impl CookieScope {
    /// `host` is in lower case, an address without brackets; `path` may have a query. None for a
    /// host that has no URL, like `1.2.3.4.5`: there are no cookies.
    pub(crate) fn new(host: &str, path: &str, is_secure: bool) -> Option<CookieScope> {
        let scheme = if is_secure { "https" } else { "http" };
        let path = if path.starts_with('/') { path } else { "/" };
        let text = if host.contains(':') {
            format!("{scheme}://[{host}]{path}")
        } else {
            format!("{scheme}://{host}{path}")
        };
        let url = Url::parse(&text).ok()?;
        Some(CookieScope { url })
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether nobody can listen on the way: it is encrypted, or leads to the machine itself
    /// (6265bis section 5.7 with W3C "Secure Contexts", section 3.1).
    fn is_secure(&self) -> bool {
        let is_local = match self.url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                name == "localhost" || name.ends_with(".localhost")
            }
            None => false,
        };
        is_local || self.url.scheme() == "https"
    }
}

/// A cookie about to be kept.
#[derive(Debug)]
pub(crate) struct Draft {
    raw: RawCookie<'static>,
    domain: CookieDomain,
    path: CookiePath,
    expires: CookieExpiration,
}

impl Draft {
    /// A cookie that a script makes, for `scope` alone or also for what is below its host.
    pub(crate) fn new(
        name: &[u8],
        value: &[u8],
        scope: &CookieScope,
        is_for_below: bool,
        expires_s: Option<i64>,
    ) -> Draft {
        let mut raw = RawCookie::new(text(name), text(value));
        raw.set_secure(scope.is_secure());
        let host = scope.host().to_owned();
        Draft {
            raw,
            domain: if is_for_below {
                CookieDomain::Suffix(host)
            } else {
                CookieDomain::HostOnly(host)
            },
            path: CookiePath::new(scope.url.path(), &scope.url),
            expires: expires_s.map_or(CookieExpiration::SessionEnd, |end| utc(end).into()),
        }
    }

    /// The cookie that a field makes for a host, unless the host may not set it.
    fn admitted(field: SetCookie, scope: &CookieScope) -> Option<Draft> {
        let wanted = &field.attributes;
        let is_secure = wanted.secure().unwrap_or(false);
        if is_secure && !scope.is_secure() {
            return None; // 6265bis section 5.7, step 10; the crate takes it
        }
        if wanted.same_site().is_some_and(|site| site.is_none()) && !is_secure {
            return None; // 6265bis section 5.7, step 18; the crate takes it
        }
        let domain = match CookieDomain::try_from(wanted).ok()? {
            // 6265bis section 5.7, step 9; the crate would have to be given the list.
            CookieDomain::Suffix(domain) if is_public_suffix(&domain) => {
                (domain == scope.host()).then_some(CookieDomain::HostOnly(domain))?
            }
            domain @ CookieDomain::Suffix(_) => domain,
            _ => CookieDomain::host_only(&scope.url).ok()?,
        };
        if !domain.matches(&scope.url) {
            return None; // the crate looks for it too, but after room was made
        }
        let path = CookiePath::new(wanted.path().unwrap_or_default(), &scope.url);
        let begins = |prefix: &str| {
            let start = field.name.get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        // 6265bis section 4.1.3; the crate knows no prefixes.
        let is_whole_host = matches!(domain, CookieDomain::HostOnly(_)) && &*path == "/";
        if !is_secure && (begins("__Secure-") || begins("__Host-"))
            || begins("__Host-") && !is_whole_host
        {
            return None;
        }
        // A new one, since that of the field keeps the whole field in memory.
        let mut raw = RawCookie::new(field.name, field.value);
        raw.set_secure(is_secure);
        raw.set_http_only(wanted.http_only());
        raw.set_same_site(wanted.same_site());
        Some(Draft {
            raw,
            domain,
            path,
            expires: field.expires,
        })
    }

    fn domain(&self) -> &str {
        domain_of(&self.domain)
    }
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
    store: CookieStore,
    made: i64,
}

impl Jar {
    /// Takes in the value of a Set-Cookie field of a reply from `scope` (section 5.3).
    pub(crate) fn set(&mut self, field: &[u8], scope: &CookieScope, now_s: i64) -> Outcome {
        let field = SetCookie::parse(field, utc(now_s));
        let Some(draft) = field.and_then(|field| Draft::admitted(field, scope)) else {
            return Outcome::Ignored;
        };
        if !scope.is_secure() && self.shadows_secure(&draft, scope) {
            return Outcome::Ignored;
        }
        self.put(draft, scope, now_s)
    }

    /// Keeps a cookie.
    pub(crate) fn put(&mut self, mut draft: Draft, scope: &CookieScope, now_s: i64) -> Outcome {
        let now = utc(now_s);
        let (domain, name) = (draft.domain(), draft.raw.name());
        // The crate keeps what has expired, and its place; a new one has a new place.
        let is_over = |cookie: &Cookie| cookie.expires_by(&now);
        if draft.expires.expires_by(&now)
            || self
                .store
                .get_any(domain, &draft.path, name)
                .is_some_and(is_over)
        {
            self.store.remove(domain, &draft.path, name);
        }
        if draft.expires.expires_by(&now) {
            return Outcome::Removed;
        }
        let known = self.store.get_any(domain, &draft.path, name).map(number);
        if known.is_none() {
            self.make_room(domain, &now);
            self.made += 1;
        }
        let number = known.unwrap_or(self.made);
        draft.raw.set_max_age(Duration::seconds(number));
        let Ok(mut cookie) = Cookie::try_from_raw_cookie(&draft.raw, &scope.url) else {
            return Outcome::Ignored;
        };
        cookie.domain = draft.domain;
        cookie.path = draft.path;
        cookie.expires = draft.expires;
        match self.store.insert(cookie, &scope.url) {
            Ok(_) => Outcome::Stored,
            Err(_) => Outcome::Ignored,
        }
    }

    /// Whether nothing was kept since it was made or cleared.
    pub(crate) fn is_empty(&self) -> bool {
        self.store.iter_any().next().is_none()
    }

    /// Appends the value of the Cookie field for a request to `scope` (section 5.4); whether there
    /// is one.
    pub(crate) fn write(&self, scope: &CookieScope, now_s: i64, out: &mut Vec<u8>) -> bool {
        let begun = out.len();
        for cookie in self.matching(scope, now_s) {
            if out.len() > begun {
                out.extend_from_slice(b"; ");
            }
            append(cookie.name(), out);
            out.push(b'=');
            append(cookie.value(), out);
        }
        out.len() > begun
    }

    /// The cookies for a request to `scope`, in the order in which it names them: longer paths
    /// first, then older ones. The crate has them by domain and path as they came.
    pub(crate) fn matching(&self, scope: &CookieScope, now_s: i64) -> Vec<&Cookie> {
        let may_go = |cookie: &&Cookie| scope.is_secure() || cookie.secure() != Some(true);
        let fitting = self.all(now_s).filter(may_go);
        // The crate's own match knows the machine itself by fewer names.
        let is_for = |c: &&Cookie| c.path.matches(&scope.url) && c.domain.matches(&scope.url);
        let mut found: Vec<&Cookie> = fitting.filter(is_for).collect();
        found.sort_by_key(|cookie| (usize::MAX - cookie.path.len(), number(cookie)));
        found
    }

    /// The latest made cookie of a name, wherever it is for.
    pub(crate) fn latest(&self, name: &[u8], now_s: i64) -> Option<&Cookie> {
        let name = text(name);
        let named = self.all(now_s).filter(|cookie| cookie.name() == name);
        named.max_by_key(|cookie| number(cookie))
    }

    /// All that have not expired.
    pub(crate) fn all(&self, now_s: i64) -> impl Iterator<Item = &Cookie> {
        let now = utc(now_s);
        let kept = self.store.iter_any();
        kept.filter(move |cookie| !cookie.expires_by(&now))
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.store.clear();
    }

    /// 6265bis section 5.7, step 16: who listens on the plain wire may not change what goes over
    /// the encrypted one. The crate lets it.
    fn shadows_secure(&self, new: &Draft, scope: &CookieScope) -> bool {
        let is_near = |known: &Cookie| {
            let mut url = scope.url.clone();
            url.set_path(&new.path);
            let (new, known_domain) = (new.domain(), domain_of(&known.domain));
            let is_related =
                is_same_or_below(new, known_domain) || is_same_or_below(known_domain, new);
            is_related && known.path.matches(&url)
        };
        let named = self.store.iter_any().filter(|c| c.name() == new.raw.name());
        named.filter(|c| c.secure() == Some(true)).any(is_near)
    }

    /// Section 5.3: first what has expired goes, then the oldest of a domain with too many, then
    /// the oldest of all.
    fn make_room(&mut self, domain: &str, now: &OffsetDateTime) {
        if self.store.iter_any().count() < OF_DOMAIN_MAX {
            return;
        }
        let over = self.store.iter_any().filter(|c| c.expires_by(now));
        let over: Vec<Key> = over.map(key).collect();
        for (domain, path, name) in &over {
            self.store.remove(domain, path, name);
        }
        let of_domain = |cookie: &&Cookie| domain_of(&cookie.domain) == domain;
        let crowded = self.store.iter_any().filter(of_domain).count() >= OF_DOMAIN_MAX;
        if !crowded && self.store.iter_any().count() < COOKIES_MAX {
            return;
        }
        let candidates = self.store.iter_any().filter(|c| !crowded || of_domain(c));
        let oldest = candidates.min_by_key(|cookie| number(cookie)).map(key);
        if let Some((domain, path, name)) = oldest {
            self.store.remove(&domain, &path, &name);
        }
    }
}

/// What names a cookie in its jar.
type Key = (String, String, String);

fn key(cookie: &Cookie) -> Key {
    let name = cookie.name().to_owned();
    (
        String::from(&cookie.domain),
        String::from(&cookie.path),
        name,
    )
}

fn number(cookie: &Cookie) -> i64 {
    cookie.max_age().map_or(0, Duration::whole_seconds)
}

fn domain_of(domain: &CookieDomain) -> &str {
    match domain {
        CookieDomain::HostOnly(domain) | CookieDomain::Suffix(domain) => domain,
        CookieDomain::NotPresent | CookieDomain::Empty => "",
    }
}

/// Whether a domain is one below which anybody may have a name, as `com` and `co.uk`.
fn is_public_suffix(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    psl::suffix(domain.as_bytes()).is_some_and(|suffix| suffix.as_bytes() == domain.as_bytes())
}

/// Section 5.1.3 for two domains of cookies; the crate compares with hosts of requests.
fn is_same_or_below(domain: &str, above: &str) -> bool {
    let rest = domain.strip_suffix(above);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn utc(seconds: i64) -> OffsetDateTime {
    let latest = PrimitiveDateTime::MAX.assume_utc();
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(latest)
}

/// Bytes as a character each, since the crate keeps text.
fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Appends what [`text`] was made of.
fn append(text: &str, out: &mut Vec<u8>) {
    if text.is_ascii() {
        out.extend_from_slice(text.as_bytes());
    } else {
        out.extend(text.chars().map(|character| character as u8));
    }
}

/// The value as it came.
pub(crate) fn value(cookie: &Cookie) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(cookie.value().len());
    append(cookie.value(), &mut bytes);
    bytes
}
