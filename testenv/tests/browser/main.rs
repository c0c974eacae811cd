//! Tests in a real browser, headless Chromium: what CORS lets pages of other origins read, and the page that
//! `ksvc-router routes --as html`, `diff --as html` and `serve` make.

mod chromium;
mod cors;
mod devtools;
mod routes_page;
