//! The files of the official JavaScript client, served beside the endpoint as the reference server's `serveClient`
//! does.
//!
//! Built and mounted by the server's handle. Each name is a route of its own, made when a server is built: nothing
//! a client sends ever becomes a path of the file system. Must never import the engine's sessions.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::Path;
use std::sync::Arc;

use actix_web::http::header::{CacheControl, CacheDirective, ETag, EntityTag, Header as _, IfNoneMatch};
use actix_web::middleware::Condition;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;

use crate::config::CorsConfig;

/// The bundles of the npm package `socket.io-client`; each may have a source map.
const BUNDLES: [&str; 4] =
    ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"];

/// One file, as it was when the server was built.
struct File {
    name: String,
    content_type: &'static str,
    tag: EntityTag,
    body: Bytes,
}

/// The files that were found. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ClientFiles(Arc<[Arc<File>]>);

impl ClientFiles {
    /// Reads what there is in the npm package's folder or its `dist`.
    pub(crate) fn read(folder: &Path) -> Self {
        let dist = folder.join("dist");
        let folder = if dist.is_dir() { &dist } else { folder };
        let names = BUNDLES.iter().flat_map(|name| [(*name).to_owned(), format!("{name}.map")]);
        let files: Arc<[Arc<File>]> =
            names.filter_map(|name| File::read(folder, name)).map(Arc::new).collect();
        if files.is_empty() {
            tracing::warn!(folder = %folder.display(), "no client files there");
        }
        Self(files)
    }

    /// Mounts them under the endpoint's path, with its cross-origin rules.
    pub(crate) fn configure(&self, config: &mut web::ServiceConfig, path: &str, cors: Option<&CorsConfig>) {
        for file in &*self.0 {
            let resource = web::resource(format!("{path}{}", file.name));
            let get = file.clone();
            let head = file.clone();
            config.service(
                resource
                    .wrap(Condition::new(cors.is_some(), crate::engine::cors(cors)))
                    .route(
                        web::get().to(move |request: HttpRequest| std::future::ready(get.answer(&request))),
                    )
                    .route(
                        web::head().to(move |request: HttpRequest| std::future::ready(head.answer(&request))),
                    ),
            );
        }
    }
}

impl File {
    fn read(folder: &Path, name: String) -> Option<Self> {
        let body = fs::read(folder.join(&name)).ok()?;
        let is_map = name.ends_with(".map");
        let content_type =
            if is_map { "application/json; charset=utf-8" } else { "text/javascript; charset=utf-8" };
        // Fixed keys: every node that serves the same bytes says the same.
        let mut hasher = DefaultHasher::new();
        hasher.write(&body);
        let tag = EntityTag::new_strong(format!("{:x}-{:016x}", body.len(), hasher.finish()));
        Some(Self { name, content_type, tag, body: body.into() })
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let is_known = self.is_known_to(request);
        let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response
            .insert_header(ETag(self.tag.clone()))
            .insert_header(CacheControl(vec![CacheDirective::Public, CacheDirective::MaxAge(0)]));
        if is_known {
            return response.finish();
        }
        response.content_type(self.content_type).body(self.body.clone())
    }

    /// Whether the client's copy is still this one.
    fn is_known_to(&self, request: &HttpRequest) -> bool {
        match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&self.tag)),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
#[path = "client_files_tests.rs"]
mod tests;
