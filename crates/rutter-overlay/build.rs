//! Generates the messages and the service of `nnetman.v1` from its definition.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/nnetman.v1.proto");
    let definition = protox::compile(["proto/nnetman.v1.proto"], ["proto"])?;
    tonic_prost_build::configure().compile_fds(definition)?;
    Ok(())
}
