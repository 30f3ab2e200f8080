//! The server itself: its stop, slow and silent clients, its address.

use super::*;

#[tokio::test]
async fn a_stop_ends_the_server_while_clients_stay_connected() {
    let centre = Centre::start().await;
    let ask = format!("GET /api/v1/about HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    // One that keeps its connection after an answer, one that never said anything.
    let mut idle = centre.socket().await;
    idle.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = [0; 1024];
    let n = timeout(SOON, idle.read(&mut answer)).await.unwrap().unwrap();
    assert!(answer[..n].starts_with(b"HTTP/1.1 200 "));
    let mut silent = centre.socket().await;
    centre.stop.send_replace(true);
    timeout(Duration::from_secs(1), centre.served).await.unwrap().unwrap();
    for socket in [&mut idle, &mut silent] {
        assert_eq!(timeout(SOON, socket.read(&mut answer)).await.unwrap().unwrap_or(0), 0);
    }
    assert!(TcpStream::connect(centre.url.trim_start_matches("http://")).await.is_err());
}

#[tokio::test]
async fn a_stop_lets_an_answer_finish_but_waits_for_no_unfinished_question() {
    let centre = Centre::start().await;
    let mut half = centre.socket().await;
    half.write_all(b"GET /api/v1/about HTTP/1.1\r\nhost:").await.unwrap();
    let post = centre.request(Method::POST, "/api/v1/requests").bearer_auth(TOKEN).json(&execute(4));
    let answer = tokio::spawn(read(post));
    while centre.asked.lock().unwrap().is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
    // The answer has about 1.5 s to go, and the stop waits for 2 s.
    sleep(Duration::from_millis(500)).await;
    centre.stop.send_replace(true);
    let begun = Instant::now();
    assert_eq!(timeout(SOON, answer).await.unwrap().unwrap().0, StatusCode::GATEWAY_TIMEOUT);
    timeout(SOON, centre.served).await.unwrap().unwrap();
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(1_000) && took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn a_server_whose_stop_is_forgotten_ends_too() {
    let centre = Centre::start().await;
    drop(centre.stop);
    timeout(Duration::from_secs(1), centre.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_is_slow_with_headers_is_cut_off() {
    let centre = Centre::start().await;
    let mut slow = centre.socket().await;
    let begun = Instant::now();
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let dripping = async {
        loop {
            sleep(Duration::from_millis(500)).await;
            if slow.write_all(b"x: y\r\n").await.is_err() {
                break;
            }
        }
    };
    timeout(Duration::from_secs(14), dripping).await.unwrap();
    assert!(begun.elapsed() > Duration::from_secs(9));
}

#[tokio::test]
async fn strangers_who_say_nothing_keep_nobody_out() {
    let centre = Centre::start().await;
    let mut silent = Vec::new();
    for _ in 0..400 {
        silent.push(centre.socket().await);
    }
    let (status, _) = timeout(SOON, centre.get("/api/v1/about")).await.unwrap();
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn an_address_in_use_is_told_with_what_to_do() {
    let taken = bind("127.0.0.1:0".parse().unwrap(), "x").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address, "[api] listen in serve.toml").await.unwrap_err();
    let port = address.port();
    assert_eq!(
        error.to_string(),
        format!(
            "the API's address {address} is in use by another process; stop that one (`ss -ltnp 'sport = :{port}'` \
             shows it) or set another [api] listen in serve.toml"
        )
    );
    let foreign = bind("192.0.2.1:80".parse().unwrap(), "address with --listen").await.unwrap_err().to_string();
    assert!(foreign.contains("none of this machine's; set another address with --listen"), "{foreign}");
}
