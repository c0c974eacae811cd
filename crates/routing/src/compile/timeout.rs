//! Compiles `timeout` of a route: a header that tells Envoy's router how long a request may take.

use super::{Compiler, RoutePlace};
use crate::document::config::Route as RouteConfig;
use crate::limits;
use crate::problem::ProblemKind;
use crate::table::schema::{Operation, Part};

/// The header by which Envoy's router learns the timeout of a request, in milliseconds. 0 is no timeout.
const TIMEOUT_HEADER: &str = "x-envoy-upstream-rq-timeout-ms";

impl Compiler {
    /// Compiles `timeout`. Returns the change to the headers of the request; `None` if there is no timeout, or it has an
    /// error.
    pub(super) fn timeout(&mut self, route: &RouteConfig<'_>, place: RoutePlace) -> Option<Operation> {
        let text = &*route.timeout.get()?.0;
        let milliseconds = match parse(text) {
            Ok(milliseconds) => milliseconds,
            Err(kind) => {
                self.report(place.key("timeout"), kind);
                return None;
            }
        };
        if changes_timeout(route) {
            self.report(place.key("timeout"), ProblemKind::TimeoutTwice { header: TIMEOUT_HEADER });
            return None;
        }
        let name = self.builder.shared(TIMEOUT_HEADER);
        let value = self.builder.shared(&milliseconds.to_string());
        Some(Operation::Set(name, self.builder.template(vec![Part::Literal(value)])))
    }
}

/// Returns whether the route's own `requestHeaders` change the header too.
fn changes_timeout(route: &RouteConfig<'_>) -> bool {
    let Some(headers) = route.request_headers.get() else { return false };
    let named = [&headers.set, &headers.add].into_iter().filter_map(|key| key.get()).flatten().map(|(name, _)| name);
    let removed = headers.remove.get().into_iter().flatten().flatten();
    named.chain(removed).any(|name| name.eq_ignore_ascii_case(TIMEOUT_HEADER))
}

/// Parses a timeout. Returns the number of milliseconds.
fn parse(text: &str) -> Result<u64, ProblemKind> {
    let (number, unit) = split_while(text, |b| b.is_ascii_digit());
    let found = || text.to_owned();
    let is_short = |milliseconds: u64| milliseconds <= limits::TIMEOUT as u64;
    match (number.parse::<u64>(), unit_of(unit)) {
        (Ok(number), Some(unit)) => {
            let milliseconds = number.checked_mul(unit).filter(|milliseconds| is_short(*milliseconds));
            milliseconds.ok_or_else(|| ProblemKind::TimeoutTooLong { found: found() })
        }
        (Ok(number), None) if unit.is_empty() && is_short(number) => {
            let seconds = is_short(number.saturating_mul(1_000)).then(|| format!("{number}s"));
            Err(ProblemKind::TimeoutWithoutUnit { found: found(), seconds, milliseconds: format!("{number}ms") })
        }
        _ => Err(ProblemKind::Timeout { found: found(), write: translated(text) }),
    }
}

/// Returns the number of milliseconds of a unit.
fn unit_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return None,
    })
}

/// Returns how to write a duration of another program, such as `1.5s`, `1h`, `1m30s` or `10 sec`; `None` if it is not
/// clear what is meant.
fn translated(text: &str) -> Option<String> {
    let mut total = 0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (number, after) = split_while(rest, |b| b.is_ascii_digit() || b == b'.');
        let (unit, after) = split_while(after.trim_start(), |b| b.is_ascii_alphabetic());
        total = add_milliseconds(total, number, foreign_unit(&unit.to_ascii_lowercase())?)?;
        rest = after.trim_start();
    }
    let written = match total {
        0 => "0s".to_owned(),
        total if total % 60_000 == 0 => format!("{}m", total / 60_000),
        total if total % 1_000 == 0 => format!("{}s", total / 1_000),
        total => format!("{total}ms"),
    };
    (!text.trim().is_empty() && total <= limits::TIMEOUT as u64).then_some(written)
}

fn split_while(text: &str, is_part: impl Fn(u8) -> bool) -> (&str, &str) {
    text.split_at_checked(text.bytes().take_while(|&b| is_part(b)).count()).unwrap_or((text, ""))
}

/// Returns the number of milliseconds of a unit, in whatever way it is written.
fn foreign_unit(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
        _ => return None,
    })
}

/// Adds a number of units, such as `1.5`, if it is a whole number of milliseconds.
fn add_milliseconds(total: u64, number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let fraction = fraction.parse::<u64>().ok()?.checked_mul(unit)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    if fraction % scale != 0 {
        return None;
    }
    total.checked_add(whole)?.checked_add(fraction / scale)
}
