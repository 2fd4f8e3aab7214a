//! Who may do what, over HTTP.

mod doors;
mod hostile;
mod matrix;
