//! Tests in a real browser, headless Chromium: what CORS lets pages of other origins read.

mod chromium;
mod cors;
