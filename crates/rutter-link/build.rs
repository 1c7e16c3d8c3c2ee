//! Generates the messages and the service of `rutter.v1` from its definition.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/rutter.v1.proto");
    let definition = protox::compile(["proto/rutter.v1.proto"], ["proto"])?;
    // One encoded map goes to many sessions, and a frame of the fabric is read where it arrived:
    // their bytes are shared, not copied.
    let shared = [".rutter.v1.Map.change", ".rutter.v1.Frame.fabric"];
    let build = tonic_prost_build::configure();
    let build = shared.into_iter().fold(build, |build, path| build.bytes(path));
    build.compile_fds(definition)?;
    Ok(())
}
