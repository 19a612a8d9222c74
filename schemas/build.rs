//! Reads `avro/**/*.avsc` through the gate and writes the Rust types and the schema table to `OUT_DIR/generated.rs`.

#[path = "build/emit.rs"]
mod emit;
#[path = "build/types.rs"]
mod types;

use std::{env, fs, path::Path};

fn main() {
    for input in ["avro", "examples", "registry.lock", "build", "build.rs"] {
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
            let out = Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("generated.rs");
            if let Err(error) = fs::write(&out, emit::file(&report.schemas)) {
                println!("cargo::error=cannot write {}: {error}", out.display());
            }
        }
        Err(error) => println!("cargo::error={error}"),
    }
}
