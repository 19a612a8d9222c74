//! Reads `avro/**/*.avsc` through the gate and writes the Rust types and the schema table to `OUT_DIR/generated.rs`, and
//! the types of `tests/evolution` to `OUT_DIR/evolution.rs`.

#[path = "build/emit.rs"]
mod emit;
#[path = "build/types.rs"]
mod types;

use std::{env, fs, path::Path};

fn main() {
    for input in ["avro", "examples", "registry.lock", "build", "build.rs", "tests/evolution"] {
        println!("cargo::rerun-if-changed={input}");
    }
    match gate::check(Path::new("avro"), Path::new("registry.lock")) {
        Ok(report) => {
            for problem in &report.problems {
                println!("cargo::error=schemas/avro: {problem}");
            }
            for gate::Unlocked { subject, version, .. } in &report.unlocked {
                println!("cargo::error=schemas/avro: {subject} version {version} is sound but not locked yet; run: make schemas");
            }
            write("generated.rs", emit::file(&report.schemas));
            write("evolution.rs", trial());
        }
        Err(error) => println!("cargo::error={error}"),
    }
}

/// The types of two versions of one schema, in a module each: what the tests of evolution read and write.
fn trial() -> String {
    let version = |version: &str| {
        let text = fs::read_to_string(format!("tests/evolution/{version}.avsc")).unwrap_or_default();
        let schema = serde_json::from_str(&text).ok().and_then(|json| gate::parse(&json).ok());
        let mut types = types::Types::default();
        schema.iter().for_each(|schema| types.record(&schema.record));
        format!("pub mod {version} {{ {} }}\n", types.code)
    };
    version("v1") + &version("v2")
}

fn write(file: &str, code: String) {
    let out = Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join(file);
    if let Err(error) = fs::write(&out, code) {
        println!("cargo::error=cannot write {}: {error}", out.display());
    }
}
