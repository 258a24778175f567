//! A function of AWS Lambda in the standard library alone: a runtime that asks for events and answers
//! with the text of the file `release` beside it. What the file `mode` says goes wrong: `500` answers
//! the health probe so where the alias is `production`, `ill` everything, `error` reports an error, `exit`
//! ends. With requests that come by an alias goes wrong, counted from the first of them: `at-once`,
//! `after-3` seconds, every `fifth`, `slow` every tenth by a second, `dies` after 3 seconds. An answer to `/slow` takes a second,
//! one to `/around` names what is to be seen of the folder that the host's functions are in.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

fn main() -> std::io::Result<()> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(std::io::Error::other)?;
    let read = |name: &str| std::fs::read_to_string(name).unwrap_or_default().trim().to_owned();
    let (release, mode) = (read("release"), read("mode"));
    if mode == "exit" {
        std::process::exit(3);
    }
    let (mut begun, mut number) = (None, 0_u64);
    loop {
        let (id, arn, event) = ask(&api, "GET", "invocation/next", "")?;
        let health = event.contains("\"/health\"") && arn.ends_with(":production");
        if event.contains("\"/slow\"") {
            std::thread::sleep(Duration::from_secs(1));
        }
        // A version has its number there.
        let users = !arn.rsplit(':').next().unwrap_or_default().bytes().all(|b| b.is_ascii_digit());
        let late = users && begun.get_or_insert_with(Instant::now).elapsed().as_secs() >= 3;
        number += u64::from(users);
        let wrong = match mode.as_str() {
            "500" => health,
            "ill" => true,
            "at-once" => users,
            "after-3" => late,
            "fifth" => users && number.is_multiple_of(5),
            "slow" if users && number.is_multiple_of(10) => {
                std::thread::sleep(Duration::from_secs(1));
                false
            }
            "dies" if late => std::process::exit(7),
            _ => false,
        };
        let status = if wrong { 500 } else { 200 };
        let body = match event.contains("\"/around\"") {
            true => around(),
            false => release.clone(),
        };
        let (answer, to) = match mode.as_str() {
            "error" => {
                (r#"{"errorType":"Broken","errorMessage":"on purpose"}"#.to_owned(), "error")
            }
            _ => (
                format!(
                    r#"{{"statusCode":{status},"headers":{{"x-version":"{release}"}},"body":"{body}"}}"#
                ),
                "response",
            ),
        };
        ask(&api, "POST", &format!("invocation/{id}/{to}"), &answer)?;
    }
}

/// What lies beside the folder `lambda` that this function is in.
fn around() -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let data = here.ancestors().find(|folder| folder.ends_with("lambda")).and_then(|f| f.parent());
    let Some(entries) = data.and_then(|data| data.read_dir().ok()) else {
        return "none".to_owned();
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.join(" ")
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
