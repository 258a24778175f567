//! Prints what a template resolves to: `show template.yaml`.
#![expect(clippy::print_stdout, reason = "this program prints")]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("which template?")?;
    let context = local_template::Context {
        parameters: Default::default(),
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
        stack_name: "local".to_owned(),
    };
    match local_template::load(&std::fs::read_to_string(&path)?, path.as_ref(), &context) {
        Ok(stack) => println!("{stack:#?}"),
        Err(errors) => errors.iter().for_each(|error| println!("{error}")),
    }
    Ok(())
}
