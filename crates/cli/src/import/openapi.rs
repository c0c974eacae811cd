//! Makes a table from an OpenAPI document.
