//! Writes the definitions anew: `cargo run -p pact-state-machines`.

fn main() -> std::io::Result<()> {
    for (name, machine) in pact_state_machines::machines() {
        let path = format!("{}/{name}.asl.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::write(path, format!("{machine:#}\n"))?;
    }
    Ok(())
}
