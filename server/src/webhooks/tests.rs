//! Deliveries to receivers that answer, fail, redirect and hang.

use super::records::Delivery;
use super::{Context, Deliveries, Network, WebhookEvent, WebhookOptions, Webhooks};
use crate::access::{Accounts, EVERY_PROJECT, Role};
use crate::store::{Observers, Sqlite};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A receiver that gives these answers in turn, and what it was sent; `None` never answers.
fn receiver(answers: Vec<Option<&'static str>>) -> std::io::Result<(String, Receiver<String>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else {
                return;
            };
            let mut text = String::new();
            let mut part = [0; 4 << 10];
            while !text.ends_with('}') {
                match stream.read(&mut part) {
                    Ok(count @ 1..) => text += &String::from_utf8_lossy(&part[..count]),
                    _ => break,
                }
            }
            let _ = sender.send(text);
            match answer {
                Some(head) => {
                    let answer = format!(
                        "HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                    );
                    let _ = stream.write_all(answer.as_bytes());
                }
                None => held.push(stream),
            }
        }
        std::thread::sleep(Duration::from_secs(5));
    });
    Ok((url, requests))
}

struct Service {
    webhooks: Webhooks,
    deliveries: Deliveries,
    accounts: Arc<Accounts>,
    _dir: tempfile::TempDir,
}

impl Service {
    fn start(allow: &[&str]) -> Result<Service, Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let accounts = Arc::new(Accounts::open(dir.path())?);
        accounts.add("root", "correct horse", Role::Admin, EVERY_PROJECT)?;
        let allow = allow.iter().map(|one| one.parse());
        let options = WebhookOptions {
            allow: allow.collect::<Result<Vec<Network>, String>>()?,
            retries: vec![Duration::from_millis(20); 2],
            timeout: Duration::from_millis(300),
        };
        let (webhooks, inbox) = Webhooks::new(&options, Arc::clone(&accounts));
        let observers = Arc::new(Observers(vec![Box::new(webhooks.clone())]));
        let context = Context {
            accounts: Arc::clone(&accounts),
            store: Arc::new(Sqlite::start(dir.path(), observers)?),
            options,
            url: "http://load.example.com".to_owned(),
        };
        Ok(Service {
            deliveries: Deliveries::start(webhooks.clone(), inbox, context)?,
            webhooks,
            accounts,
            _dir: dir,
        })
    }

    fn add(&self, url: &str) -> Result<i64, crate::Error> {
        let all = &WebhookEvent::CHOICES;
        Ok(self.accounts.add_webhook("shop", url, all, "root")?.0.id)
    }

    fn send_test(&self, webhook: i64) {
        let by = "root".to_owned();
        assert!(
            self.webhooks
                .enqueue(super::WebhookJob::Test { webhook, by })
        );
    }

    /// The newest delivery once it has this state.
    fn wait(&self, webhook: i64, state: &str) -> Result<Delivery, Box<dyn std::error::Error>> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let deliveries = self.accounts.deliveries(webhook)?;
            if let Some(found) = deliveries.first().filter(|one| one.state == state) {
                return Ok(found.clone());
            }
            if Instant::now() > end {
                return Err(format!("not {state}: {deliveries:?}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_failed_delivery_is_tried_again_with_the_same_id() -> Outcome {
    let service = Service::start(&["127.0.0.1"])?;
    let (url, requests) = receiver(vec![Some("500 Oops"), None, Some("204 No Content")])?;
    let webhook = service.add(&url)?;
    service.send_test(webhook);
    let delivery = service.wait(webhook, "delivered")?;
    assert_eq!(
        (delivery.attempts, delivery.outcome.as_str()),
        (3, "status 204")
    );
    let sent: Vec<String> = requests.try_iter().collect();
    assert_eq!(sent.len(), 3);
    let header = format!("webhook-id: {}\r\n", delivery.message);
    assert!(sent.iter().all(|text| text.contains(&header)), "{sent:?}");
    assert!(sent[0].contains("\"type\":\"test\""), "{}", sent[0]);
    Ok(())
}

#[test]
fn attempts_end_and_redirects_are_not_followed() -> Outcome {
    let service = Service::start(&["127.0.0.0/8"])?;
    let redirect = "302 Found\r\nlocation: http://127.0.0.1:1/";
    let (url, _requests) = receiver(vec![Some(redirect); 3])?;
    let webhook = service.add(&url)?;
    service.send_test(webhook);
    let delivery = service.wait(webhook, "failed")?;
    assert_eq!(delivery.attempts, 3);
    assert!(
        delivery.outcome.contains("redirects are not followed"),
        "{delivery:?}"
    );
    let (url, _requests) = receiver(vec![Some("410 Gone")])?;
    let webhook = service.add(&url)?;
    service.send_test(webhook);
    assert_eq!(service.wait(webhook, "failed")?.attempts, 1);
    Ok(())
}

#[test]
fn refused_addresses_are_refused_at_every_connection() -> Outcome {
    let service = Service::start(&[])?;
    let (url, requests) = receiver(vec![Some("200 OK")])?;
    // a name is only looked up when it is used
    for url in [url.clone(), url.replace("127.0.0.1", "localhost")] {
        let webhook = service.add(&url)?;
        service.send_test(webhook);
        let delivery = service.wait(webhook, "failed")?;
        assert!(delivery.outcome.contains("this machine"), "{delivery:?}");
    }
    assert!(requests.try_recv().is_err());
    Ok(())
}

#[test]
fn a_stop_does_not_wait_for_a_receiver_that_hangs() -> Outcome {
    let service = Service::start(&["127.0.0.1"])?;
    let (url, requests) = receiver(vec![None; 3])?;
    let webhook = service.add(&url)?;
    service.send_test(webhook);
    requests.recv_timeout(Duration::from_secs(20))?;
    let began = Instant::now();
    service.deliveries.stop(Duration::from_millis(50));
    assert!(began.elapsed() < Duration::from_secs(5));
    Ok(())
}
