//! What every request of a run has in common beside its target.

/// The tables `[headers]` and `[http]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// Fields sent with every request, in the order of the file: tokens, and values without control
    /// characters. None: a field that would be sent is left out.
    pub headers: Vec<(String, Option<String>)>,
    /// Users keep the cookies that servers set.
    pub cookies: bool,
    /// Redirects that are followed unless the script says how many.
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
