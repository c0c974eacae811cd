//! A table of any size, in generations: route K of generation G leads to the service `itemsK-gG`, so that an answer
//! tells from which table it came. And documents that are refused.

use std::fmt::Write;

use testenv::gateway::Document;

/// As istiod would send it; about 80 octets a route.
pub(crate) fn table(routes: usize, generation: u64) -> Document {
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
    Document::Text(text)
}

/// A path that this route matches.
pub(crate) fn path(route: usize, id: u64) -> String {
    format!("/faas/v1/shops-{}/items-{}/{id}/details", route / 100, route % 100)
}

/// The route and the generation that an authority tells.
pub(crate) fn told(authority: &str) -> Option<(usize, u64)> {
    let service = authority.strip_suffix(".shop.example.com")?;
    let (route, generation) = service.strip_prefix("items")?.split_once("-g")?;
    Some((route.parse().ok()?, generation.parse().ok()?))
}
