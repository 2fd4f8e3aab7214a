//! Who may do what, over HTTP.

mod hostile;
mod matrix;
mod sign_in_tests;
