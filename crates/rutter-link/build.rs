//! Generates the messages and the service of `rutter.v1` from its definition.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/rutter.v1.proto");
    let definition = protox::compile(["proto/rutter.v1.proto"], ["proto"])?;
    // One encoded map goes to many sessions: its bytes are shared, not copied.
    tonic_prost_build::configure().bytes(".rutter.v1.Map.change").compile_fds(definition)?;
    Ok(())
}
