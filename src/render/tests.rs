//! Reports of fixed data, compared with the texts under `snapshots/`.
//!
//! `UPDATE_SNAPSHOTS=1` writes them anew; read the difference before committing it.

mod fixture;
mod formats;
mod views;

use std::path::Path;

/// Compares with `snapshots/NAME.txt`.
fn snapshot(name: &str, text: &str) {
    let folder = Path::new(file!()).parent().expect("a file has a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root
        .join(folder)
        .join("snapshots")
        .join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).expect("the snapshot can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == text,
        "{} says:\n{known}\nbut now it is:\n{text}",
        path.display()
    );
}
