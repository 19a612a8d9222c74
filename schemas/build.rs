//! Reads `avro/**/*.avsc` and writes the Rust types and the schema table to `OUT_DIR/generated.rs`.

#[path = "build/emit.rs"]
mod emit;
#[path = "build/model.rs"]
mod model;

use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=avro");
    println!("cargo::rerun-if-changed=registry.lock");
    println!("cargo::rerun-if-changed=build");
    let generated = model::load(Path::new("avro"), Path::new("registry.lock")).map(|schemas| emit::file(&schemas));
    match generated {
        Ok(code) => {
            let out = Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("generated.rs");
            if let Err(error) = fs::write(&out, code) {
                println!("cargo::error=cannot write {}: {error}", out.display());
            }
        }
        Err(message) => println!("cargo::error={message}"),
    }
}
