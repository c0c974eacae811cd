//! Tables of any size in numbered generations, and bad documents. Route K of generation G leads to the service
//! `itemsK-gG`, so a response shows from which generation it comes.

use std::fmt::Write;

use testenv::gateway::Document;

/// Returns a table as istiod would send it, with about 80 bytes for each route.
pub(crate) fn table(routes: usize, generation: u64) -> Document {
    Document::Text(text(routes, generation))
}

/// Returns a table with an error near its end, which is a different one each time. The table before it must continue to
/// serve.
pub(crate) fn bad(routes: usize, generation: u64) -> Document {
    let text = text(routes, generation);
    let Some((rest, _)) = text.rsplit_once("]}") else { return Document::Absent };
    let error = match generation % 4 {
        0 => r#",{"match":"GET no-slash","service":"wrong"}]}"#,
        1 => r#",{"match":"GET /wrong"}]}"#,
        2 => r#"],"rutes":[]}"#,
        _ => "",
    };
    Document::Text(format!("{rest}{error}"))
}

fn text(routes: usize, generation: u64) -> String {
    let mut text =
        r#"{"basePath":"/faas","domain":"example.com","hosts":["api.example.com"],"namespace":"shop","routes":["#
            .to_owned();
    for route in 0..routes {
        let comma = if route == 0 { "" } else { "," };
        let (shop, items) = (route / 100, route % 100);
        let _ = write!(
            text,
            r#"{comma}{{"match":"GET /v1/shops-{shop}/items-{items}/{{id}}/details","service":"items{route}-g{generation}"}}"#
        );
    }
    text.push_str("]}");
    text
}

/// Returns a path that this route matches.
pub(crate) fn path(route: usize, id: u64) -> String {
    format!("/faas/v1/shops-{}/items-{}/{id}/details", route / 100, route % 100)
}

/// Returns the route and the generation that are encoded in an authority.
pub(crate) fn parse_authority(authority: &str) -> Option<(usize, u64)> {
    let service = authority.strip_suffix(".shop.example.com")?;
    let (route, generation) = service.strip_prefix("items")?.split_once("-g")?;
    Some((route.parse().ok()?, generation.parse().ok()?))
}
