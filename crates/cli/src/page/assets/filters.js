// The search and the filters above the list.

// The value of a filter that shows everything. No service, namespace or kind has this name.
const ALL = '*';

function makeSearch() {
  return Object.assign(make('input'), { id: 'search', type: 'search', autocomplete: 'off', spellcheck: false });
}

// Makes a choice among the different values, each with the number of times that it is there.
function makeSelect(id, values) {
  const element = Object.assign(make('select'), { id });
  const numbers = new Map();
  for (const value of values) numbers.set(value, (numbers.get(value) ?? 0) + 1);
  const option = ([value, number]) => new Option(`${value || 'none'} (${number.toLocaleString('en')})`, value);
  element.append(new Option('all', ALL), ...[...numbers].sort().map(option));
  return element;
}

// Returns whether something has all words of the search in its `words`. A word that is one of the `methods` is searched for in
// the methods alone: GET does not find /widgets.
function wordsOf(search, methods) {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const isMethod = word => methods.has(word.toUpperCase());
  return one => words.every(word => (isMethod(word) ? one.methods.includes(word.toUpperCase()) : one.words.includes(word)));
}

// Says how much is found, with a button that clears the filters if it is nothing.
function showFound(text, isEmpty, clear) {
  byId('found').replaceChildren(text, ...(isEmpty ? [' ', makeButton('Clear the filters', clear)] : []));
}

// Calls `update` when a filter has changed. `/` goes to the search, and Escape clears it.
function followFilters({ list, update }) {
  byId('filters').addEventListener('submit', event => event.preventDefault());
  byId('filters').addEventListener('input', () => {
    list.element.scrollTop = 0;
    update();
  });
  addEventListener('keydown', event => {
    if (event.key === '/' && !event.target.closest('input, textarea, select')) {
      event.preventDefault();
      byId('search').focus();
    } else if (event.key === 'Escape' && event.target === byId('search') && byId('search').value !== '') {
      event.preventDefault();
      byId('search').value = '';
      byId('search').dispatchEvent(new Event('input', { bubbles: true }));
    }
  });
}
