//! The page and its assets: all in the binary, nothing from elsewhere but the client from its CDN when there is no
//! local one.

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpResponse, web};

const PAGE: &str = include_str!("index.html");
const STYLE: &str = include_str!("demo.css");
const SCRIPT: &str = include_str!("demo.js");
const ICON: &str = include_str!("icon.svg");

const LOCAL_CLIENT: &str = r#"<script src="/socket.io/socket.io.min.js"></script>"#;
/// The newest release whose hash the project has published, so that nobody else's script can take its place.
const CDN_CLIENT: &str = concat!(
    r#"<script src="https://cdn.socket.io/4.8.3/socket.io.min.js" "#,
    r#"integrity="sha384-kzavj5fiMwLKzzD1f8S7TeoVIEi7uKHvbTA3ueZkrzYq75pNQUiUi6Dy98Q3fxb0" "#,
    r#"crossorigin="anonymous"></script>"#
);

/// What is served; made once.
pub(super) struct Pages {
    page: String,
    policy: String,
}

impl Pages {
    pub(super) fn new(has_client: bool, is_local: bool) -> Self {
        let client = if has_client { LOCAL_CLIENT } else { CDN_CLIENT };
        let scripts = if has_client { "'self'" } else { "'self' https://cdn.socket.io" };
        let reach = if is_local {
            "A demo on loopback: only this machine can reach it, and nothing is stored."
        } else {
            "A demo: whoever can reach this server can read along, and nothing is stored."
        };
        Self {
            page: PAGE.replace("<!-- client -->", client).replace("<!-- reach -->", reach),
            policy: format!(
                "default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self'; connect-src 'self'; \
                 base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
        }
    }

    pub(super) fn configure(&self, config: &mut web::ServiceConfig) {
        let policy = self.policy.clone();
        let mut add = |path: &str, content_type: &'static str, body: String| {
            let policy = policy.clone();
            let answer = move || {
                let response = HttpResponse::Ok()
                    .content_type(content_type)
                    .insert_header((CACHE_CONTROL, "no-cache"))
                    .insert_header((CONTENT_SECURITY_POLICY, policy.clone()))
                    .insert_header((REFERRER_POLICY, "no-referrer"))
                    .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
                    .body(body.clone());
                std::future::ready(response)
            };
            config.route(path, web::get().to(answer));
        };
        add("/", "text/html; charset=utf-8", self.page.clone());
        add("/demo.css", "text/css; charset=utf-8", STYLE.to_owned());
        add("/demo.js", "text/javascript; charset=utf-8", SCRIPT.to_owned());
        add("/icon.svg", "image/svg+xml", ICON.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_comes_from_here_or_from_its_cdn_with_a_hash() {
        let local = Pages::new(true, true);
        assert!(local.page.contains(LOCAL_CLIENT));
        assert!(!local.page.contains("https://cdn"));
        assert!(!local.policy.contains("https:"));
        let remote = Pages::new(false, true);
        assert!(remote.page.contains(CDN_CLIENT));
        assert!(remote.policy.contains("script-src 'self' https://cdn.socket.io;"));
    }

    #[test]
    fn the_page_says_who_can_reach_it() {
        assert!(Pages::new(true, true).page.contains("on loopback"));
        assert!(Pages::new(true, false).page.contains("whoever can reach"));
    }
}
