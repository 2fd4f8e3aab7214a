//! to be written

mod render;
mod reporter;

fn main() {}
