//! The centre's answers over a real socket.

use super::*;
use crate::console::client::{Client, ClientError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A centre that gives one answer; what it was asked comes back.
async fn centre(status: &str, body: &str) -> (Client, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        let mut part = [0; 4096];
        // A request of the console fits one read; its end is the blank line or the closing brace of its body.
        while !(asked.ends_with(b"\r\n\r\n") || asked.ends_with(b"}")) {
            let n = socket.read(&mut part).await.unwrap();
            asked.extend_from_slice(&part[..n]);
            if n == 0 {
                break;
            }
        }
        socket.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap()
    });
    (Client::new(&url, "secret".into()).unwrap(), served)
}

const EXECUTE: Request = Request::Execute { order: OrderId(12) };

async fn answer_to(status: &str, body: &str) -> Answer {
    let (client, served) = centre(status, body).await;
    let Message::Answer(_, answer) = client.ask(Asked::Execute(OrderId(12)), EXECUTE).await else {
        panic!("an answer is wanted")
    };
    served.await.unwrap();
    answer
}

#[tokio::test]
async fn the_view_comes_with_the_token() {
    let (client, served) = centre("200 OK", &serde_json::to_string(&a_view()).unwrap()).await;
    assert_eq!(client.view().await.unwrap(), a_view());
    let asked = served.await.unwrap();
    assert!(asked.starts_with("GET /api/v1/view HTTP/1.1"), "{asked}");
    assert!(asked.to_lowercase().contains("authorization: bearer secret"), "{asked}");
}

#[tokio::test]
async fn a_trend_is_asked_for_by_the_code_of_its_point() {
    let (client, served) = centre("200 OK", r#"{"points":[{"t":1000,"v":310000,"q":64}]}"#).await;
    let Message::Trend(_, points) = client.trend("T2".parse().unwrap()).await else { panic!("a trend is wanted") };
    assert_eq!(points, [TrendPoint { t: 1_000, v: 310_000.0, q: 64 }]);
    assert!(served.await.unwrap().starts_with("GET /api/v1/terminals/T2/trend?point=1&span_s=3600 "));
}

#[tokio::test]
async fn meter_reading_is_asked_for_by_its_date_and_collected_by_its_times() {
    let day = a_day("2026-01-30", 96);
    let (client, served) = centre("200 OK", &serde_json::to_string(&day).unwrap()).await;
    let number = Timestamp::day_of_date("2026-01-30");
    let Message::Completeness(asked, Ok(answer)) = client.completeness(number).await else { panic!("a day is wanted") };
    assert_eq!((asked, answer), (number, day));
    assert!(served.await.unwrap().starts_with("GET /api/v1/completeness?day=2026-01-30 "));
    let (client, served) = centre("502 Bad Gateway", r#"{"error":"T2: its memory was not read"}"#).await;
    let Message::Collected(_, Err(sentence)) =
        client.collect("T2".parse().unwrap(), Timestamp::new(5), Timestamp::new(9)).await
    else {
        panic!("a sentence is wanted")
    };
    assert_eq!(sentence, "T2: its memory was not read");
    assert!(served.await.unwrap().starts_with("POST /api/v1/terminals/T2/collect?from=5&to=9 "));
}

#[tokio::test]
async fn a_granted_request_brings_its_order() {
    let reply = Reply::Order { order: OrderId(12) };
    assert_eq!(answer_to("200 OK", &serde_json::to_string(&reply).unwrap()).await, Answer::Granted(reply));
}

#[tokio::test]
async fn a_conflict_is_the_centre_s_own_sentence() {
    let answer = answer_to("409 Conflict", r#"{"error":"order #12 is expired"}"#).await;
    assert_eq!(answer, Answer::Refused("order #12 is expired".into()));
}

#[tokio::test]
async fn a_fault_of_the_centre_leaves_open_whether_the_request_was_taken() {
    assert!(matches!(answer_to("500 Internal Server Error", "{}").await, Answer::Unanswered(_)));
}

#[tokio::test]
async fn a_wrong_token_is_named_as_such() {
    let (client, served) = centre("401 Unauthorized", r#"{"error":"no"}"#).await;
    assert!(matches!(client.view().await, Err(ClientError::Unauthorized)));
    served.await.unwrap();
}

#[test]
fn an_address_without_http_is_refused_before_anything_starts() {
    assert!(Client::new("localhost:8080", String::new()).is_err());
}
