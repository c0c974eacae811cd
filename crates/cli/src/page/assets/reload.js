// Keeps what the user has typed when the page is loaded again, and loads it again when `ksvc-router serve` has a newer one.

const STATE = 'ksvc-router';

// Remembers the fields of the page, and where the list is. A browser may refuse to store anything.
function keepState(list) {
  const fields = () => [...document.querySelectorAll('input, select, textarea')].filter(field => field.id);
  addEventListener('pagehide', () => {
    const values = fields().map(field => [field.id, field.type === 'checkbox' ? field.checked : field.value]);
    try {
      sessionStorage.setItem(STATE, JSON.stringify({ title: data.title, values, top: list.element.scrollTop }));
    } catch { /* The page begins anew then. */ }
  });
}

// Writes the remembered values into the fields, and returns how far the list was scrolled; undefined if nothing is
// remembered of these tables.
function restoreState() {
  let state;
  try {
    state = JSON.parse(sessionStorage.getItem(STATE));
  } catch { /* As if nothing were remembered. */ }
  if (state?.title !== data.title) return undefined;
  for (const [id, value] of state.values) {
    const field = byId(id);
    if (field?.type === 'checkbox') field.checked = value;
    else if (field && (field.tagName !== 'SELECT' || [...field.options].some(option => option.value === value))) {
      field.value = value;
    }
  }
  return state.top;
}

// Follows the versions that `ksvc-router serve` reports. A page in a file has no `live` version, and stays as it is.
function followChanges() {
  if (data.live === undefined) return;
  const events = new EventSource('/versions');
  events.addEventListener('message', event => {
    if (Number(event.data) !== data.live) location.reload();
  });
}
