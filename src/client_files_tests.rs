use std::path::PathBuf;

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::SocketIo;
use crate::config::{CorsConfig, Origins};

/// An npm package of a test's own; removed when dropped.
struct Package(PathBuf);

impl Package {
    /// Without the msgpack bundle and most of the source maps, but with files beside the bundles.
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("actix-socketio-{}-{name}", std::process::id()));
        std::fs::create_dir_all(folder.join("dist")).unwrap();
        let package = Self(folder);
        package.write("package.json", "{}");
        package.write("dist/socket.io.js", "all of it");
        package.write("dist/socket.io.min.js", "min");
        package.write("dist/socket.io.min.js.map", "{\"version\":3}");
        package.write("dist/socket.io.esm.min.js", "export {}");
        package.write("dist/secret.js", "not for you");
        package
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).unwrap();
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn header_of<B>(answer: &ServiceResponse<B>, name: HeaderName) -> HeaderValue {
    answer.headers().get(name).unwrap().clone()
}

macro_rules! app {
    ($io:expr) => {
        init_service(App::new().configure(|config| $io.configure(config))).await
    };
}

#[actix_web::test]
async fn the_bundles_are_served_with_their_types() {
    let package = Package::new("types");
    let io = SocketIo::builder().client_files(package.0.join("dist")).build();
    let app = app!(io);
    for (name, content_type, body) in [
        ("socket.io.js", "text/javascript; charset=utf-8", "all of it"),
        ("socket.io.min.js", "text/javascript; charset=utf-8", "min"),
        ("socket.io.esm.min.js", "text/javascript; charset=utf-8", "export {}"),
        ("socket.io.min.js.map", "application/json; charset=utf-8", "{\"version\":3}"),
    ] {
        let request = TestRequest::get().uri(&format!("/socket.io/{name}?v=1")).to_request();
        let answer = call_service(&app, request).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        assert_eq!(header_of(&answer, header::CONTENT_TYPE), content_type, "{name}");
        assert_eq!(header_of(&answer, header::CACHE_CONTROL), "public, max-age=0", "{name}");
        assert_eq!(read_body(answer).await, body, "{name}");
    }
}

#[actix_web::test]
async fn nothing_else_is() {
    let package = Package::new("nothing_else");
    let io = SocketIo::builder().client_files(&package.0).build();
    let app = app!(io);
    for path in [
        "/socket.io/socket.io.msgpack.min.js",
        "/socket.io/socket.io.js.map",
        "/socket.io/secret.js",
        "/socket.io/../package.json",
        "/socket.io/%2e%2e/package.json",
        "/socket.io/..%2fpackage.json",
        "/socket.io/socket.io.js/",
        "/socket.io.js",
    ] {
        let answer = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    // The endpoint is still what it was.
    let handshake = TestRequest::get().uri("/socket.io/?EIO=4&transport=polling").to_request();
    assert_eq!(call_service(&app, handshake).await.status(), StatusCode::OK);
}

#[actix_web::test]
async fn without_a_folder_there_are_none() {
    let io = SocketIo::new();
    let app = app!(io);
    let request = TestRequest::get().uri("/socket.io/socket.io.js").to_request();
    assert_eq!(call_service(&app, request).await.status(), StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_copy_that_is_still_good_is_not_sent_again() {
    let package = Package::new("etag");
    let io = SocketIo::builder().client_files(&package.0).build();
    let app = app!(io);
    let get = |path: &str, known: Option<&HeaderValue>| {
        let request = TestRequest::get().uri(path);
        match known {
            Some(known) => request.insert_header((header::IF_NONE_MATCH, known.clone())).to_request(),
            None => request.to_request(),
        }
    };
    let answer = call_service(&app, get("/socket.io/socket.io.js", None)).await;
    let tag = header_of(&answer, header::ETAG);
    assert!(!tag.to_str().unwrap().starts_with("W/"), "a strong one");

    let weak = HeaderValue::from_str(&format!("\"other\", W/{}", tag.to_str().unwrap())).unwrap();
    for known in [&tag, &weak, &HeaderValue::from_static("*")] {
        let answer = call_service(&app, get("/socket.io/socket.io.js", Some(known))).await;
        assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{known:?}");
        assert_eq!(header_of(&answer, header::ETAG), tag);
        assert!(read_body(answer).await.is_empty());
    }
    // Another file, and the same one of another release, have others.
    let answer = call_service(&app, get("/socket.io/socket.io.min.js", Some(&tag))).await;
    assert_eq!(answer.status(), StatusCode::OK);
    package.write("dist/socket.io.js", "all of me");
    let answer = call_service(&app, get("/socket.io/socket.io.js", None)).await;
    assert_eq!(header_of(&answer, header::ETAG), tag, "read once, when it was built");
    let next = SocketIo::builder().client_files(&package.0).build();
    let next = app!(next);
    let answer = call_service(&next, get("/socket.io/socket.io.js", Some(&tag))).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[actix_web::test]
async fn they_follow_the_path_the_scope_and_the_cross_origin_rules() {
    let package = Package::new("scope");
    let origins = Origins::List(vec!["http://there.example".to_owned()]);
    let cors = CorsConfig { origins, ..CorsConfig::default() };
    let io = SocketIo::builder().path("/ws").cors(cors).client_files(&package.0).build();
    let scope = web::scope("/api").configure(|config| io.configure(config));
    let app = init_service(App::new().service(scope)).await;
    let request = TestRequest::get().uri("/api/ws/socket.io.js");
    let request = request.insert_header((header::ORIGIN, "http://there.example")).to_request();
    let answer = call_service(&app, request).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header_of(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), "http://there.example");
    let elsewhere = TestRequest::get().uri("/socket.io/socket.io.js").to_request();
    assert_eq!(call_service(&app, elsewhere).await.status(), StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn the_native_transport_serves_them_too() {
    let package = Package::new("native");
    let io = SocketIo::builder().client_files(&package.0).build();
    let mounted = io.clone();
    let server = io.server(move || App::new().configure(|config| mounted.configure(config)));
    let server = server.workers(1).bind("127.0.0.1:0").unwrap();
    let address = server.addresses()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = actix_web::rt::spawn(server.run_until(async move { drop(stopped.await) }));
    for (method, body) in [("GET", "min"), ("HEAD", "")] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let head =
            format!("{method} /socket.io/socket.io.min.js HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("content-length: 3\r\n"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
    }
    drop(stop);
    running.await.unwrap().unwrap();
}
