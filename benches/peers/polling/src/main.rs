//! Long polling on bare actix-web: two handlers and a channel for each session. It answers echoes, checks nothing, and
//! forgets no session. `PORT` as the testbed's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Between the packets of one body.
const SEPARATOR: char = '\x1e';

struct Session {
    sender: UnboundedSender<String>,
    receiver: tokio::sync::Mutex<UnboundedReceiver<String>>,
}

#[derive(Default)]
struct Sessions(Mutex<HashMap<usize, Arc<Session>>>);

impl Sessions {
    fn open(&self) -> usize {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = sessions.len();
        let (sender, receiver) = unbounded_channel();
        sessions.insert(id, Arc::new(Session { sender, receiver: tokio::sync::Mutex::new(receiver) }));
        id
    }

    fn get(&self, id: usize) -> Option<Arc<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}

#[derive(Deserialize)]
struct Query {
    sid: Option<usize>,
}

async fn poll(sessions: web::Data<Sessions>, query: web::Query<Query>) -> HttpResponse {
    let Some(id) = query.sid else {
        let id = sessions.open();
        return HttpResponse::Ok().body(format!(
            "0{{\"sid\":\"{id}\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}}"
        ));
    };
    let Some(session) = sessions.get(id) else { return HttpResponse::BadRequest().finish() };
    let mut receiver = session.receiver.lock().await;
    let mut body = receiver.recv().await.unwrap_or_default();
    while let Ok(packet) = receiver.try_recv() {
        body.push(SEPARATOR);
        body += &packet;
    }
    HttpResponse::Ok().content_type("text/plain; charset=UTF-8").body(body)
}

async fn post(sessions: web::Data<Sessions>, query: web::Query<Query>, body: String) -> HttpResponse {
    let Some(session) = query.sid.and_then(|id| sessions.get(id)) else {
        return HttpResponse::BadRequest().finish();
    };
    for packet in body.split(SEPARATOR) {
        if let Some(answer) = answer(packet) {
            // the receiver is in the same session
            session.sender.send(answer).ok();
        }
    }
    HttpResponse::Ok().content_type("text/html").body("ok")
}

fn answer(packet: &str) -> Option<String> {
    if packet == "40" {
        return Some(format!("40{{\"sid\":\"0\"}}{SEPARATOR}42[\"auth\",{{}}]"));
    }
    let (ack, argument) = packet.strip_prefix("42")?.split_once("[\"echo\",")?;
    Some(format!("43{ack}[{argument}"))
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    let sessions = web::Data::new(Sessions::default());
    HttpServer::new(move || {
        let endpoint = web::resource("/socket.io/").route(web::get().to(poll)).route(web::post().to(post));
        App::new().app_data(sessions.clone()).service(endpoint)
    })
    .workers(1)
    .shutdown_timeout(0)
    .tcp_nodelay(true)
    .bind(("127.0.0.1", port))?
    .run()
    .await
}
