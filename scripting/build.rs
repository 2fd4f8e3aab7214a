//! Builds LuaJIT from its source with two files replaced: whole numbers are written in full
//! (`src/number_format.c`), and the steps of a pattern are counted (`STEPS`).

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The file of LuaJIT that writes numbers; ours includes it and takes its place.
const NUMBERS_REPLACED: &str = "lj_strfmt_num.o";
const NUMBERS: &str = "src/number_format.c";

/// The file of LuaJIT with `string.match` and its like, which takes the place of itself with
/// `STEPS` carried out: its matcher goes back and forth in a time that can grow with any power of
/// the text, and a text may be what a server sent.
const STRINGS_REPLACED: &str = "lib_string.o";
const STRINGS: &str = "lib_string.c";

/// What is found so many times in that file, and what is put there. Steps are counted in one call
/// of match, find and gsub, and in all that one gmatch finds. (What `max_expand` reads is counted
/// by the calls of `match` that follow.)
const STEPS: [(&str, usize, &str); 8] = [
    (
        "typedef struct MatchState {",
        1,
        "#define STEPS_MAX 50000000\n#define STEPS_TEXT \"50000000\"\ntypedef struct MatchState {\n  uint32_t steps;",
    ),
    (
        "#define L_ESC\t\t'%'",
        1,
        "#define L_ESC '%'\nstatic void step(MatchState *ms, size_t n)\n{\n  \
         if (n > STEPS_MAX - ms->steps)\n    lj_err_callermsg(ms->L, \"the pattern takes more than \" \
         STEPS_TEXT \" steps on this text\");\n  ms->steps += (uint32_t)n;\n}",
    ),
    ("  ms.L = L;", 3, "  ms.L = L; ms.steps = 0;"),
    (
        "  for (; src <= ms.src_end; src++) {",
        1,
        "  ms.steps = tvpos->u32.hi;\n  for (; src <= ms.src_end; src++) {",
    ),
    (
        "      tvpos->u32.lo = (uint32_t)pos;",
        1,
        "      tvpos->u32.lo = (uint32_t)pos; tvpos->u32.hi = ms.steps;",
    ),
    (
        "    while (++s < ms->src_end) {",
        1,
        "    while (++s < ms->src_end) {\n      step(ms, 1);",
    ),
    (
        "  len = (size_t)ms->capture[l].len;",
        1,
        "  len = (size_t)ms->capture[l].len; step(ms, len / 16);",
    ),
    (
        "  if (++ms->depth > LJ_MAX_XLEVEL)",
        1,
        "  step(ms, 1);\n  if (++ms->depth > LJ_MAX_XLEVEL)",
    ),
];

/// Where LuaJIT was built, below what this program writes.
const SOURCE: &str = "luajit-build/src";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={NUMBERS}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let luajit = luajit_src::Build::new().try_build();
    let luajit = luajit.map_err(|error| format!("LuaJIT: {error}"))?;
    let library = luajit.lib_dir().join("libluajit.a");
    replace(&library, &out, Path::new(NUMBERS), NUMBERS_REPLACED)?;
    let strings = out.join("strings.c");
    fs::write(&strings, with_steps(&out.join(SOURCE).join(STRINGS))?)?;
    replace(&library, &out, &strings, STRINGS_REPLACED)?;
    println!(
        "cargo:rustc-link-search=native={}",
        luajit.lib_dir().display()
    );
    // Whole, because mlua, which refers to it, may come after this crate on the linker's line.
    println!("cargo:rustc-link-lib=static:+whole-archive=luajit");
    Ok(())
}

/// The text of the file with its steps counted.
fn with_steps(file: &Path) -> Result<String, Box<dyn Error>> {
    let mut text = fs::read_to_string(file)?;
    for (part, count, counted) in STEPS {
        let found = text.matches(part).count();
        if found != count {
            return Err(format!("{STRINGS} has {part:?} {found} times, not {count}").into());
        }
        text = text.replace(part, counted);
    }
    Ok(text)
}

/// Compiles a file and puts it into the library in the place of LuaJIT's own.
fn replace(library: &Path, out: &Path, ours: &Path, replaced: &str) -> Result<(), Box<dyn Error>> {
    let mut build = cc::Build::new();
    build
        .file(ours)
        .include(out.join(SOURCE))
        .warnings(false)
        .pic(true)
        .opt_level(2)
        .define("_FILE_OFFSET_BITS", "64")
        .flag_if_supported("-fno-stack-protector")
        .flag("-U_FORTIFY_SOURCE");
    let objects = build.try_compile_intermediates()?;
    let [object] = &objects[..] else {
        return Err(format!("{} gave {} objects", ours.display(), objects.len()).into());
    };
    let named = out.join(replaced);
    fs::copy(object, &named)?;
    let mut archiver = build.try_get_archiver()?;
    let listed = archiver.arg("t").arg(library).output()?;
    if !String::from_utf8_lossy(&listed.stdout)
        .lines()
        .any(|name| name == replaced)
    {
        return Err(format!("{} has no {replaced} to replace", library.display()).into());
    }
    let mut archiver = build.try_get_archiver()?;
    let status = archiver.arg("rs").arg(library).arg(&named).status()?;
    if !status.success() {
        return Err(format!("{}: the archiver failed: {status}", library.display()).into());
    }
    Ok(())
}
