//! The pages of the UI, from the folder of its npm package. Read once, when the node starts; what is not there then is not served.

use std::path::Path;
use std::sync::Arc;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, web};

use super::AdminError;

/// All files together.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Folders within folders.
const MAX_DEPTH: usize = 4;
/// The page asks for fonts of these servers, and looks well enough without them. It connects to whatever server it is told.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline' https://fonts.googleapis.com \
    https://cdn.jsdelivr.net; font-src 'self' data: https://fonts.gstatic.com https://cdn.jsdelivr.net; img-src 'self' data:; \
    connect-src http: https: ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// See the module's documentation.
#[derive(Clone)]
pub(in crate::node) struct Files {
    files: Arc<[File]>,
    is_public: bool,
}

struct File {
    /// Below the folder, with slashes.
    path: String,
    content_type: &'static str,
    body: Bytes,
}

impl Files {
    /// Reads the folder of the package, or that of its built pages.
    pub(super) fn read(folder: &Path, is_public: bool) -> Result<Self, AdminError> {
        let folders = [folder.join("ui/dist"), folder.to_owned()];
        let Some(folder) = folders.iter().find(|folder| folder.join("index.html").is_file()) else {
            return Err(AdminError::NoFiles(folder.to_owned()));
        };
        let (mut files, mut left) = (Vec::new(), MAX_BYTES);
        collect(folder, "", MAX_DEPTH, &mut left, &mut files)?;
        Ok(Self { files: files.into(), is_public })
    }

    /// Whether they are served to clients, too.
    pub(in crate::node) fn is_public(&self) -> bool {
        self.is_public
    }

    /// Serves them under `/admin/`.
    pub(in crate::node) fn configure(&self, config: &mut web::ServiceConfig) {
        let redirect = || {
            std::future::ready(
                HttpResponse::PermanentRedirect().insert_header((LOCATION, "/admin/")).finish(),
            )
        };
        config.route("/admin", web::get().to(redirect));
        for index in 0..self.files.len() {
            let files = self.files.clone();
            let path = match &*files[index].path {
                "index.html" => "/admin/".to_owned(),
                path => format!("/admin/{path}"),
            };
            let answer = move || {
                let file = &files[index];
                let response = HttpResponse::Ok()
                    .content_type(file.content_type)
                    .insert_header((CACHE_CONTROL, "no-cache"))
                    .insert_header((CONTENT_SECURITY_POLICY, POLICY))
                    .insert_header((REFERRER_POLICY, "no-referrer"))
                    .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
                    .body(file.body.clone());
                std::future::ready(response)
            };
            config.route(&path, web::get().to(answer));
        }
    }
}

fn collect(
    folder: &Path,
    prefix: &str,
    depth: usize,
    left: &mut usize,
    files: &mut Vec<File>,
) -> Result<(), AdminError> {
    let failed = |source| AdminError::Files { folder: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // A name that would need an escape in a URL is none of the package's.
        let Some(name) = entry.file_name().to_str().filter(|name| is_plain(name)).map(str::to_owned) else {
            continue;
        };
        let path = entry.path();
        if path.is_dir() {
            if depth > 0 {
                collect(&path, &format!("{prefix}{name}/"), depth - 1, left, files)?;
            }
            continue;
        }
        let Some(content_type) = content_type(&name) else { continue };
        let body = std::fs::read(&path).map_err(failed)?;
        *left = left
            .checked_sub(body.len())
            .ok_or_else(|| AdminError::ManyFiles { folder: folder.to_owned(), most: MAX_BYTES })?;
        files.push(File { path: format!("{prefix}{name}"), content_type, body: body.into() });
    }
    Ok(())
}

fn is_plain(name: &str) -> bool {
    !name.starts_with('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// What is served, and as what. Source maps are for whoever develops the UI.
fn content_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        _ => return None,
    })
}
