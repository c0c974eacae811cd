// Keeps what the user has typed and opened when the page is loaded again, and loads it again when `ksvc-router serve` has a
// newer one.

const STATE = 'ksvc-router';

// The fields that the user can see.
function visibleFields() {
  return [...document.querySelectorAll('input, select, textarea')].filter(field => field.id && !field.closest('label')?.hidden);
}

// Remembers the fields of the page, and what `more` returns. A browser may refuse to store anything.
function keepState(more) {
  addEventListener('pagehide', () => {
    // A page without tables, because of an error in a file, knows nothing of the filters.
    if (data.tables?.length === 0) return;
    const values = visibleFields().map(field => [field.id, field.type === 'checkbox' ? field.checked : field.value]);
    try {
      sessionStorage.setItem(STATE, JSON.stringify({ title: data.title, values, ...more() }));
    } catch { /* The page begins anew then. */ }
  });
}

// Writes the remembered values into the fields, and returns what else is remembered of these tables.
function restoreState() {
  let state;
  try {
    state = JSON.parse(sessionStorage.getItem(STATE));
  } catch { /* As if nothing were remembered. */ }
  if (state?.title !== data.title) return {};
  const values = new Map(state.values);
  // Without a URL, the example is the better beginning.
  if (!values.get('url')) ['method', 'url', 'headers'].forEach(id => values.delete(id));
  for (const field of visibleFields().filter(field => values.has(field.id))) {
    const value = values.get(field.id);
    if (field.type === 'checkbox') field.checked = value;
    else if (field.tagName !== 'SELECT' || [...field.options].some(option => option.value === value)) field.value = value;
  }
  return state;
}

// Follows the versions that `ksvc-router serve` reports. A page in a file has no `live` version, and stays as it is. A page that
// nobody sees does not keep a connection, because a browser opens only six of them to one server.
function followChanges() {
  if (data.live === undefined) return;
  let events;
  const follow = () => {
    events?.close();
    events = undefined;
    if (document.hidden) return;
    events = new EventSource('/versions');
    events.addEventListener('message', event => {
      if (event.data !== data.live) location.reload();
    });
    events.addEventListener('open', () => { byId('connection').hidden = true; });
    events.addEventListener('error', () => {
      byId('connection').replaceChildren(make('span', 'problem warning', 'not followed'), ' ',
        'The server of this page does not answer, so the page does not follow the files.');
      byId('connection').hidden = false;
    });
  };
  document.addEventListener('visibilitychange', follow);
  follow();
}
