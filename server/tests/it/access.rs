//! Who may do what, over HTTP.

mod doors;
