// The page of a difference: the requests that two versions of the tables treat differently.

function startDifference() {
  document.title = `${clean(data.title)} — difference`;
  byId('title').textContent = clean(data.title);
  byId('summary').textContent = data.words;
  if (data.warning) byId('summary').after(make('p', '', make('span', 'problem warning', 'warning'), ' ', data.warning));
  byId('list-heading').textContent = 'Differences';
  byId('list-help').textContent = 'Arrow keys move in the list. The key / goes to the search.';

  const entries = data.entries.map(entry => {
    const subject = (entry.kind === 'removed' ? entry.old ?? entry.new : entry.new ?? entry.old) ?? { route: 'no route is found' };
    const words = [entry.kind, subject.route, entry.example.method, entry.example.url, target(entry.before), target(entry.after)];
    return { ...entry, subject, methods: [entry.example.method], words: words.join('\n').toLowerCase() };
  });
  const names = ['Before', 'After'];
  const box = new RequestBox({ names, showRoute: undefined });
  const filters = makeDifferenceFilters(entries);
  const element = byId('list');
  element.setAttribute('role', 'listbox');
  const list = new VirtualList(element, {
    render: makeEntryRow,
    choose: row => showEntry(row.entry, box),
    toggle: () => {},
  });
  const update = () => {
    const active = list.rows[list.active]?.entry;
    const shown = entries.filter(filters.shows());
    const text = filters.areSet() ? `${count(shown.length, 'difference')} of ${entries.length.toLocaleString('en')}` : '';
    showFound(text, filters.areSet() && shown.length === 0, () => {
      filters.clear();
      update();
    });
    const rows = shown.map((entry, index) => ({ entry, level: 1, position: index + 1, size: shown.length }));
    list.show(rows, row => active !== undefined && row.entry === active);
  };
  followFilters({ list, update });
  showMessages(data.messages.map(message => ({ message })));
  byId('problems-heading').textContent = `Errors of the ${data.messagesOf} version`;
  showRenamed();
  if (entries.length > 0) box.fill(exampleRequest(entries[0]));
  else if (data.example) box.fill(data.example);
  const { top } = restoreState();
  update();
  element.scrollTop = top ?? 0;
  keepState(() => ({ top: element.scrollTop }));
  return box;
}

// Returns where a request goes, in a few words.
function target({ outcome, authority, status }) {
  if (outcome === 'route') return authority;
  return status === undefined ? outcome : `${outcome} ${status}`;
}

// Returns what differs, in a few words.
function change({ before, after, differences }) {
  const [from, to] = [target(before), target(after)];
  return from === to ? `other ${differences.map(wordOf).join(', ').toLowerCase()}` : `${from} → ${to}`;
}

// Returns the words for a field of a decision.
function wordOf(field) {
  return {
    outcome: 'Outcome', route: 'Route', match: 'Match', authority: 'Service host', path: 'Forwarded path', status: 'Status',
    location: 'Location', timeout: 'Timeout', body: 'Body', requestHeaders: 'Request headers', responseHeaders: 'Response headers',
  }[field] ?? field;
}

function exampleRequest({ example }) {
  return { method: example.method, url: example.url, headers: headerLines(example.headers).join('\n') };
}

function makeDifferenceFilters(entries) {
  const form = byId('filters');
  const search = makeSearch();
  const methods = new Set(entries.map(entry => entry.example.method));
  const kind = makeSelect('kind', entries.map(entry => entry.kind));
  form.append(make('label', 'wide', 'Search ', search), make('label', '', 'Kind ', kind));
  return {
    areSet: () => search.value.trim() !== '' || kind.value !== ALL,
    clear: () => form.reset(),
    shows: () => {
      const hasWords = wordsOf(search, methods);
      return entry => hasWords(entry) && (kind.value === ALL || kind.value === entry.kind);
    },
  };
}

function makeEntryRow({ entry }) {
  const element = make('div', 'change',
    make('span', `kind ${entry.kind}`, entry.kind),
    makeMethods([entry.example.method]),
    make('span', 'what', make('span', 'path', entry.example.url.replace(/^[a-z]+:\/\/[^/]*/, ''))),
    make('span', 'target', change(entry)));
  element.title = clean(`${entry.subject.route}: ${change(entry)}`);
  element.setAttribute('role', 'option');
  return element;
}

// Shows the details of a difference: the request that shows it, and what happens to that request before and after.
function showEntry(entry, box) {
  const request = exampleRequest(entry);
  const place = side => (side ? [code(side.route), ` ${side.file}:${side.line}`] : 'no route');
  const headers = makeLines(headerLines(entry.example.headers));
  const facts = [
    ['Kind', make('span', `kind ${entry.kind}`, entry.kind)],
    ['Route before', place(entry.old)],
    ['Route after', place(entry.new)],
    ['Example', [code(`${request.method} ${request.url}`), ...headers]],
    ['What differs', entry.differences.map(wordOf).join(', ')],
    ['Kinds of paths that differ', String(entry.classes)],
  ];
  byId('details-body').replaceChildren(
    makeFacts(facts),
    make('div', 'sides',
      make('div', '', make('h3', '', 'Before'), makeFacts(factsOf(entry.before))),
      make('div', '', make('h3', '', 'After'), makeFacts(factsOf(entry.after)))),
    makeButton('Ask about this request', () => {
      box.show(request);
      byId('url').focus();
    }));
}

// Returns the fields of a decision with their values. A header has a line for each value.
function factsOf(decision) {
  return Object.entries(decision).map(([field, value]) => {
    if (typeof value !== 'object' || value === null) return [wordOf(field), code(String(value))];
    const lines = makeLines(headerLines(value));
    return [wordOf(field), lines.length ? lines : 'none'];
  });
}

// Shows the routes that have another name in logs.
function showRenamed() {
  if (data.renamed.length === 0) return;
  const items = data.renamed.map(({ old, new: now }) => make('li', '', code(old.route), ' is ', code(now.route), ' in logs'));
  const heading = make('h2', '', `${count(data.renamed.length, 'route')} with another name`);
  heading.id = 'renamed-heading';
  const section = make('section', '', heading, make('ul', '', ...items));
  section.setAttribute('aria-labelledby', heading.id);
  byId('problems').before(section);
}
