//! Defaults of all requests of a run.

/// The tables `[headers]` and `[http]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// Header fields of every request, in the order of the file: names are tokens, values have no
    /// control characters. `None`: a field that would otherwise be sent is omitted.
    pub headers: Vec<(String, Option<String>)>,
    /// Whether users keep the cookies that servers set.
    pub cookies: bool,
    /// Redirects followed unless the script sets a number.
    pub redirects: u8,
}

/// Redirects followed by default.
const REDIRECTS_DEFAULT: u8 = 10;

impl Default for Web {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            cookies: true,
            redirects: REDIRECTS_DEFAULT,
        }
    }
}
