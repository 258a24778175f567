//! A function of AWS Lambda in the standard library alone: a runtime that asks for events and answers
//! with the text of the file `release` beside it. What the file `mode` says goes wrong: `500` answers
//! the health probe so where the alias is `production`, `ill` everything, `error` reports an error, `exit`
//! ends. An answer to `/slow` takes a second.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

fn main() -> std::io::Result<()> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(std::io::Error::other)?;
    let read = |name: &str| std::fs::read_to_string(name).unwrap_or_default().trim().to_owned();
    let (release, mode) = (read("release"), read("mode"));
    if mode == "exit" {
        std::process::exit(3);
    }
    loop {
        let (id, arn, event) = ask(&api, "GET", "invocation/next", "")?;
        let health = event.contains("\"/health\"") && arn.ends_with(":production");
        if event.contains("\"/slow\"") {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        let status = if mode == "500" && health || mode == "ill" { 500 } else { 200 };
        let (answer, to) = match mode.as_str() {
            "error" => {
                (r#"{"errorType":"Broken","errorMessage":"on purpose"}"#.to_owned(), "error")
            }
            _ => (
                format!(
                    r#"{{"statusCode":{status},"headers":{{"x-version":"{release}"}},"body":"{release}"}}"#
                ),
                "response",
            ),
        };
        ask(&api, "POST", &format!("invocation/{id}/{to}"), &answer)?;
    }
}

/// One request; the id and the ARN of the event in its answer, and the body.
fn ask(
    api: &str,
    method: &str,
    path: &str,
    body: &str,
) -> std::io::Result<(String, String, String)> {
    let mut stream = TcpStream::connect(api)?;
    write!(
        stream,
        "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: {api}\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut reader = BufReader::new(stream);
    let (mut id, mut arn) = (String::new(), String::new());
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "lambda-runtime-aws-request-id" => value.trim().clone_into(&mut id),
                "lambda-runtime-invoked-function-arn" => value.trim().clone_into(&mut arn),
                "content-length" => length = value.trim().parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((id, arn, String::from_utf8_lossy(&body).into_owned()))
}
