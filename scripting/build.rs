//! Builds LuaJIT from its source, with whole numbers written in full (`src/number_format.c`).

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The file of LuaJIT that writes numbers; ours includes it and takes its place.
const REPLACED: &str = "lj_strfmt_num.o";
const OURS: &str = "src/number_format.c";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={OURS}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let luajit = luajit_src::Build::new().try_build();
    let luajit = luajit.map_err(|error| format!("LuaJIT: {error}"))?;
    let library = luajit.lib_dir().join("libluajit.a");
    replace(&library, &out)?;
    println!(
        "cargo:rustc-link-search=native={}",
        luajit.lib_dir().display()
    );
    // Whole, because mlua, which refers to it, may come after this crate on the linker's line.
    println!("cargo:rustc-link-lib=static:+whole-archive=luajit");
    Ok(())
}

/// Compiles our file and puts it into the library in the place of LuaJIT's own.
fn replace(library: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut build = cc::Build::new();
    build
        .file(OURS)
        .include(out.join("luajit-build/src"))
        .warnings(false)
        .pic(true)
        .opt_level(2)
        .define("_FILE_OFFSET_BITS", "64")
        .flag_if_supported("-fno-stack-protector")
        .flag("-U_FORTIFY_SOURCE");
    let objects = build.try_compile_intermediates()?;
    let [object] = &objects[..] else {
        return Err(format!("{OURS} gave {} objects", objects.len()).into());
    };
    let named = out.join(REPLACED);
    fs::copy(object, &named)?;
    let mut archiver = build.try_get_archiver()?;
    let listed = archiver.arg("t").arg(library).output()?;
    if !String::from_utf8_lossy(&listed.stdout)
        .lines()
        .any(|name| name == REPLACED)
    {
        return Err(format!("{} has no {REPLACED} to replace", library.display()).into());
    }
    let mut archiver = build.try_get_archiver()?;
    let status = archiver.arg("rs").arg(library).arg(&named).status()?;
    if !status.success() {
        return Err(format!("{}: the archiver failed: {status}", library.display()).into());
    }
    Ok(())
}
