//! What arrives at the servers of the channels, and what is told when they say no.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of a test fail as tests do")]

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hearth_api::{ChannelTarget, MailSecurity, Severity};
use hearth_channels::{Courier, Letter, Tone, Undelivered};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

fn letter() -> Letter {
    Letter {
        tone: Tone::Trouble(Severity::Critical),
        title: "Hearth: Tomás is dark".into(),
        text: "It is so. Plug it in.".into(),
    }
}

/// A server that hands over what is posted to these paths, with the caller's authorisation, and repeats it when it refuses.
async fn server(path: &str, status: StatusCode) -> (String, mpsc::Receiver<(Value, Option<String>)>) {
    let (heard, hearing) = mpsc::channel(4);
    let take = move |headers: HeaderMap, axum::Json(body): axum::Json<Value>| async move {
        let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let said = format!("no:\u{1b}[2J {body} {authorization:?}");
        heard.send((body, authorization)).await.unwrap();
        (status, [("location", "http://127.0.0.1:9/elsewhere")], said)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route(path, post(take));
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    (url, hearing)
}

fn ntfy(server: String) -> ChannelTarget {
    ChannelTarget::Ntfy { server, topic: "hunter2".into(), token: Some("tk_hunter3".into()) }
}

fn telegram(server: String) -> ChannelTarget {
    ChannelTarget::Telegram { server, chat: "-100".into(), token: "12:hunter2".into() }
}

#[tokio::test]
async fn each_kind_says_it_as_its_server_wants_it() {
    let courier = Courier::new().unwrap();
    let text = "Hearth: Tomás is dark\nIt is so. Plug it in.";
    let (url, mut heard) = server("/hook", StatusCode::NO_CONTENT).await;
    let webhook = ChannelTarget::Webhook { url: format!("{url}/hook").as_str().into() };
    courier.deliver(&webhook, &letter()).await.unwrap();
    let body = json!({"text": text, "content": text, "title": "Hearth: Tomás is dark",
        "message": "It is so. Plug it in.", "state": "critical"});
    assert_eq!(heard.recv().await.unwrap(), (body, None));

    let (url, mut heard) = server("/", StatusCode::OK).await;
    courier.deliver(&ntfy(url), &letter()).await.unwrap();
    let body = json!({"topic": "hunter2", "title": "Hearth: Tomás is dark", "message": "It is so. Plug it in.",
        "priority": 5, "tags": ["rotating_light"]});
    assert_eq!(heard.recv().await.unwrap(), (body, Some("Bearer tk_hunter3".into())));

    let (url, mut heard) = server("/bot12:hunter2/sendMessage", StatusCode::OK).await;
    courier.deliver(&telegram(url), &letter()).await.unwrap();
    let body = json!({"chat_id": "-100", "text": text, "disable_notification": false});
    assert_eq!(heard.recv().await.unwrap(), (body, None));
}

#[tokio::test]
async fn a_refusal_tells_what_the_server_said_without_secrets_and_no_redirect_is_followed() {
    let courier = Courier::new().unwrap();
    for status in [StatusCode::FORBIDDEN, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::TEMPORARY_REDIRECT] {
        let (url, _heard) = server("/", status).await;
        match courier.deliver(&ntfy(url), &letter()).await {
            Err(Undelivered::Refused { status: told, said }) => {
                assert_eq!(told, status.as_u16());
                assert!(
                    said.starts_with("no:") && !said.contains("hunter") && !said.contains('\u{1b}'),
                    "{said}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_without_its_address() {
    let courier = Courier::new().unwrap();
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = courier.deliver(&telegram(url), &letter()).await.unwrap_err();
    assert!(matches!(&error, Undelivered::Failed(said) if !said.contains("hunter2")), "{error:?}");
}

#[tokio::test]
async fn mail_is_handed_to_its_server_with_sender_reader_and_a_subject_in_any_script() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (reading, mut writing) = stream.into_split();
        let mut lines = BufReader::new(reading).lines();
        writing.write_all(b"220 here\r\n").await.unwrap();
        let (mut heard, mut in_data) = (Vec::new(), false);
        while let Some(line) = lines.next_line().await.unwrap() {
            let answer: &[u8] = match line.as_str() {
                "." => {
                    in_data = false;
                    b"250 taken\r\n"
                }
                _ if in_data => b"",
                "DATA" => {
                    in_data = true;
                    b"354 go on\r\n"
                }
                _ => b"250 yes\r\n",
            };
            writing.write_all(answer).await.unwrap();
            let end = line == ".";
            heard.push(line);
            if end {
                break;
            }
        }
        heard.join("\n")
    });
    let target = ChannelTarget::Email {
        server: address.to_string(),
        security: MailSecurity::None,
        user: None,
        password: None,
        from: "node@example.org".into(),
        to: "maya@example.org".into(),
    };
    Courier::new().unwrap().deliver(&target, &letter()).await.unwrap();
    let heard = serving.await.unwrap();
    for expected in [
        "MAIL FROM:<node@example.org>",
        "RCPT TO:<maya@example.org>",
        "To: maya@example.org",
        "Subject: Hearth: =?utf-8?b?VG9tw6Fz?= is dark",
        "It is so. Plug it in.",
    ] {
        assert!(heard.contains(expected), "{expected} is missing in {heard}");
    }
}
