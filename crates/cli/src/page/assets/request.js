// The box in which a request is typed, and what the filter does with it.

class RequestBox {
  // `names` has a title for each gateway of the page. `showRoute(gateway, table, index, match)` shows a route in the list; it is
  // undefined if the list has no routes.
  constructor({ names, showRoute }) {
    Object.assign(this, { names, showRoute, gateways: undefined });
    this.fields = ['method', 'url', 'headers'].map(byId);
    byId('ask').addEventListener('submit', event => event.preventDefault());
    byId('ask').addEventListener('input', () => this.explain());
  }

  // Takes the functions of `loadGateways`.
  connect(gateways) {
    this.gateways = gateways;
    this.explain();
    // The developer tools of the browser show when the box was ready.
    performance.mark('explained');
  }

  fail(error) {
    byId('verdict').textContent = `Requests can't be explained: ${error}. If this browser is older than June 2023, use a newer one.`;
  }

  fill({ method, url, headers }) {
    [method, url, headers ?? ''].forEach((text, index) => { this.fields[index].value = text; });
    this.explain();
  }

  // Fills the box, and scrolls to it.
  show(request) {
    this.fill(request);
    byId('request').scrollIntoView({ block: 'nearest' });
  }

  get request() {
    const [method, url, headers] = this.fields.map(field => field.value);
    return { method: method.trim(), url: url.trim(), headers };
  }

  explain() {
    if (!this.gateways) return;
    const { method, url, headers } = this.request;
    if (url === '') {
      byId('verdict').textContent = 'Type a URL, such as https://HOST/PATH.';
      byId('decision').replaceChildren();
      return;
    }
    const results = this.gateways.map(explain => explain(method, url, headers));
    const verdicts = results.map((result, index) => {
      const name = this.names.length > 1 ? `${this.names[index]}: ` : '';
      return make('span', 'line', name, ...verdict(result));
    });
    if (/[#\s]|[^\x00-\x7f]/.test(url)) verdicts.push(make('span', 'line note', asBrowsersSend(url)));
    byId('verdict').replaceChildren(...verdicts);
    byId('decision').replaceChildren(...results.map((result, index) => this.makeResult(result, index)));
  }

  makeResult(result, index) {
    const element = make('div', 'result');
    if (this.names.length > 1) element.append(make('h3', '', this.names[index]));
    if (result.explanation) element.append(...this.makeSteps(result, index));
    return element;
  }

  // Makes the steps of the decision, in the order in which the filter takes them.
  makeSteps({ explanation, table, route, changes }, gateway) {
    const steps = make('ol', 'steps');
    const level = this.names.length > 1 ? 'h4' : 'h3';
    const step = (title, ...content) => steps.append(make('li', '', make(level, '', title), ...content));
    const place = ({ name, file, line }) => [code(name), ` (${file}:${line})`];

    if (explanation.table) {
      const passed = explanation.passed.map(one =>
        make('li', '', ...place(one), ` leaves the request to the next table: ${one.reason ?? one.outcome}.`));
      step('Table', make('ul', '', ...passed, make('li', '', ...place(explanation.table), ' decides.')));
    }
    if (explanation.unsafe) step('Unsafe part', makeUnsafe(explanation.unsafe, this.request.url));
    if (explanation.considered) {
      const considered = explanation.considered.map(one => {
        const name = one.route && one.route !== one.match ? ` (${one.route})` : '';
        return make('li', '', code(one.match || one.route), one.match ? name : '', ` — ${one.result}`);
      });
      step('Routes that match the path, in the order of their precedence', make('ol', '', ...considered));
    }
    const facts = [];
    if (explanation.route !== undefined) {
      const show = () => this.showRoute(gateway, table, route, explanation.match);
      const button = this.showRoute ? [' ', makeButton('Show in the list', show)] : [];
      facts.push(['Route', [code(explanation.route), ...button]]);
      if (explanation.match !== explanation.route) facts.push(['Match', code(explanation.match)]);
    }
    for (const [name, value] of Object.entries(explanation.params ?? {})) {
      facts.push(['Captured', [code(name), ' = ', code(value)]]);
    }
    if (explanation.authority !== undefined) facts.push(['Service host', code(explanation.authority)]);
    if (explanation.path !== undefined) facts.push(['Forwarded path', code(explanation.path)]);
    for (const of of ['request', 'response']) {
      const made = changes.filter(change => change.of === of).map(change => make('li', '', code(change.change)));
      if (made.length) facts.push([of === 'request' ? 'Request headers' : 'Response headers', make('ul', 'plain', ...made)]);
    }
    if (explanation.status !== undefined) {
      facts.push(['Status', String(explanation.status)]);
      const headers = headerLines(explanation.responseHeaders ?? {}).map(line => make('li', '', code(line)));
      if (headers.length) facts.push(['Response headers', make('ul', 'plain', ...headers)]);
    }
    if (facts.length) step('Decision', makeFacts(facts));
    if (explanation.nearest) {
      const nearest = explanation.nearest.map(one => make('li', '', code(one.path), one.route ? ` (${one.route})` : ''));
      step('Nearest routes', make('ul', '', ...nearest));
    }
    const json = make('pre', 'json');
    json.textContent = JSON.stringify(explanation, undefined, 2);
    json.tabIndex = 0;
    json.setAttribute('aria-label', 'The decision as JSON');
    const title = make('summary', '', 'As ', code('explain --format json'), ' prints it');
    return [steps, make('details', '', title, json)];
  }
}

// Returns the decision as one sentence.
function verdict({ explanation, error }) {
  if (error !== undefined) return [outcomeBadge('error'), ' ', error];
  const { outcome, status, authority, location, allow, reason, route } = explanation;
  const because = reason ? `: ${reason.replace(/\.$/, '')}.` : '.';
  const sentence = {
    route: () => ['The request goes to ', code(authority), '.'],
    redirect: () => [`The gateway answers ${status} and sends the client to `, code(location), '.'],
    respond: () => [`The gateway itself answers ${status}, as the route says.`],
    options: () => [`The gateway itself answers ${status} with the methods of this path: `, code(allow), '.'],
    preflight: () => [`The gateway itself answers the preflight of a browser with ${status}.`],
    notFound: () => [route === undefined
      ? `The gateway answers ${status}: ${reason ?? 'no route matches'}.`
      : `The gateway answers ${status}: the path names a service that this route may not forward to.`],
    methodNotAllowed: () => [`The gateway answers ${status}: the routes of this path allow `, code(allow), reason ? `; ${reason}.` : '.'],
    unsafePath: () => [`The gateway answers ${status}${because}`],
    deniedDirect: () => [`The gateway answers ${status}: this is the host of a service that is called through routes alone.`],
    brokenRoute: () => [`The gateway answers ${status}, because the table has an error at this route.`],
    passThrough: () => [`The request stays as it is${because}`],
    outOfScope: () => [`The request stays as it is${because}`],
  }[outcome] ?? (() => [`The gateway answers ${status}.`]);
  return [outcomeBadge(outcome), ' ', ...sentence()];
}

function outcomeBadge(outcome) {
  const kinds = {
    good: ['route', 'redirect', 'respond', 'options', 'preflight'],
    neutral: ['passThrough', 'outOfScope'],
  };
  const kind = Object.keys(kinds).find(name => kinds[name].includes(outcome)) ?? 'bad';
  return make('span', `outcome ${kind}`, outcome);
}

// Returns what a browser makes of a URL that no client sends as it is.
function asBrowsersSend(url) {
  let sent;
  try {
    const { origin, pathname, search } = new URL(url);
    sent = ` A browser sends ${origin}${pathname}${search} instead.`;
  } catch { /* It has no scheme. */ }
  return `No client sends a URL with #, a space or a letter outside ASCII.${sent ?? ''}`;
}

// Shows which bytes of a path are unsafe. `index` counts the bytes of the path.
function makeUnsafe({ index, text, bytes, what }, url) {
  const path = new TextEncoder().encode(url.replace(/^[A-Za-z0-9+.-]*:\/\//, '').replace(/^[^/?]*/, ''));
  const decode = part => new TextDecoder().decode(part);
  // A byte of a character of several bytes is no text.
  const hex = byte => `\\x${byte.toString(16).toUpperCase()}`;
  const marked = make('mark', '', bytes.some(byte => byte > 0x7f) ? bytes.map(hex).join('') : text);
  return make('p', '', make('code', '', decode(path.slice(0, index)), marked, decode(path.slice(index + bytes.length))), ` — ${what}`);
}
