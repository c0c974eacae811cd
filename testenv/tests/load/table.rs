//! A table of any size, in generations: route K of generation G leads to the service `itemsK-gG`, so that an answer
//! tells from which table it came. And documents that are refused.

use std::fmt::Write;

use testenv::gateway::Document;

/// As istiod would send it; about 80 octets a route.
pub(crate) fn table(routes: usize, generation: u64) -> Document {
    Document::Text(text(routes, generation))
}

/// The same with a mistake near its end, a different one every time: the table before it is to go on.
pub(crate) fn bad(routes: usize, generation: u64) -> Document {
    let text = text(routes, generation);
    let Some((rest, _)) = text.rsplit_once("]}") else { return Document::Absent };
    let mistake = match generation % 4 {
        0 => r#",{"match":"GET no-slash","service":"astray"}]}"#,
        1 => r#",{"match":"GET /astray"}]}"#,
        2 => r#"],"rutes":[]}"#,
        _ => "",
    };
    Document::Text(format!("{rest}{mistake}"))
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
