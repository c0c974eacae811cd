// The page of the routes of one gateway: the tree of the API, its details, and the errors and warnings at their place.

// All routes, each with its table, and the words by which it is found. A route with several elements in `match` is here once for
// each, with the same `id`.
const allRoutes = [];

// More routes than these are shown with closed folders at first.
const OPEN_AT_FIRST = 300;

function startRoutes() {
  document.title = `${clean(data.title)} — routes`;
  byId('title').textContent = clean(data.title);
  const tables = readTables();
  const number = new Set(allRoutes.map(route => route.id)).size;
  byId('summary').textContent = summaryOf(number);

  const toggled = new Map();
  const openAtFirst = allRoutes.length <= OPEN_AT_FIRST;
  const filters = makeFilters();
  const element = byId('list');
  element.setAttribute('role', 'tree');
  byId('list-help').textContent =
    'Arrow keys move in the list, Right and Left open and close a folder. The key / goes to the search.';

  const box = new RequestBox({ names: [data.title], showRoute });
  const list = new VirtualList(element, {
    render: makeRow,
    choose: row => showDetails(row, box),
    toggle: (row, isOpen = !row.isOpen) => {
      toggled.set(row.folder.key, isOpen);
      update(other => other.folder?.key === row.folder.key);
    },
  });

  function update(isActive) {
    const active = list.rows[list.active];
    const shows = filters.shows();
    const isOpen = folder => toggled.get(folder.key) ?? (openAtFirst || filters.areSet());
    const rows = [];
    const found = new Set();
    for (const table of tables) {
      const several = tables.length > 1;
      const head = { table, folder: { key: table.tree.key, path: '' }, level: 1, isOpen: toggled.get(table.tree.key) ?? true };
      const start = several ? rows.push(head) : 0;
      const shown = appendRows(head.isOpen ? rows : [], table.tree, several ? 2 : 1, { shows, isOpen });
      Object.assign(head, { count: shown.size, position: tables.indexOf(table) + 1, size: tables.length });
      if (several && shown.size === 0 && filters.areSet()) rows.length = start - 1;
      shown.forEach(id => found.add(id));
    }
    const text = filters.areSet() ? `${count(found.size, 'route')} of ${number.toLocaleString('en')}` : '';
    showFound(text, filters.areSet() && found.size === 0, () => {
      filters.clear();
      update();
    });
    list.show(rows, isActive ?? (row => active !== undefined && keyOf(row) === keyOf(active)));
  }

  // Opens the folders above a route, and makes it the active row.
  // A route with several elements in `match` has a row for each; `match` is the element that is meant.
  function showRoute(gateway, table, index, match) {
    const rows = data.tables[table].routes.filter(route => route.index === index);
    const route = rows.find(one => one.match === match) ?? rows[0];
    if (!route) return;
    if (!filters.shows()(route)) filters.clear();
    const open = folder => {
      toggled.set(folder.key, true);
      folder.folders.filter(child => contains(child, route)).forEach(open);
    };
    open(tables[table].tree);
    update(row => row.route === route);
    list.activate(list.active);
    element.focus();
  }

  byId('filters').addEventListener('input', () => toggled.clear());
  followFilters({ list, update });
  showMessages(problemsWithRoutes(showRoute));
  showCases(box);
  const first = allRoutes.find(route => route.isRouted && route.service) ?? allRoutes.find(route => route.url);
  if (first) box.fill(exampleOf(first));
  const { toggled: opened, active, top } = restoreState();
  new Map(opened).forEach((isOpen, key) => toggled.set(key, isOpen));
  update(row => keyOf(row) === active);
  element.scrollTop = top ?? 0;
  if (list.active >= 0) showDetails(list.rows[list.active], box);
  keepState(() => {
    const row = list.rows[list.active];
    return { toggled: [...toggled], active: row && keyOf(row), top: element.scrollTop };
  });
  return box;
}

// Returns the tables with their trees, and fills `allRoutes`.
function readTables() {
  return data.tables.map((table, index) => {
    for (const route of table.routes) {
      const words = [route.path, ...route.methods, route.target, route.route, route.service, route.namespace,
        data.tables.length > 1 ? table.name : '', ...(route.conditions ?? []), ...(route.extras ?? [])];
      allRoutes.push(Object.assign(route, { table, id: `${index} ${route.index}`, words: words.join('\n').toLowerCase() }));
    }
    return { ...table, tree: treeOf(table.routes, `${index}`) };
  });
}

// Returns the numbers of routes, tables, errors and warnings.
function summaryOf(routes) {
  const errors = data.messages.filter(message => message.severity === 'error').length;
  const tables = data.tables.length > 1 ? [count(data.tables.length, 'table')] : [];
  const problems = [errors ? count(errors, 'error') : 'no errors', count(data.messages.length - errors, 'warning')];
  return [count(routes, 'route'), ...tables, ...problems].join(', ');
}

// Returns what names a row, also after an edit.
function keyOf({ route, folder }) {
  return folder ? folder.key : [route.table.name, ...route.methods, route.path, ...(route.conditions ?? [])].join(' ');
}

function contains(folder, route) {
  return folder.routes.includes(route) || folder.folders.some(child => contains(child, route));
}

function exampleOf({ method, url }) {
  return { method, url };
}

// Makes the search and the filters.
function makeFilters() {
  const search = makeSearch();
  const select = (id, title) => {
    const element = makeSelect(id, allRoutes.map(route => route[id] ?? ''));
    const label = make('label', '', `${title} `, element);
    // One value, beside the choice of all.
    label.hidden = element.options.length <= 2;
    return [label, route => element.value === ALL || (route[id] ?? '') === element.value];
  };
  const [service, hasService] = select('service', 'Service');
  const [namespace, hasNamespace] = select('namespace', 'Namespace');
  const problems = Object.assign(make('input'), { id: 'with-problems', type: 'checkbox' });
  const methods = new Set(allRoutes.flatMap(route => route.methods));
  const withProblems = make('label', '', problems, ' Only routes with errors or warnings');
  withProblems.hidden = !allRoutes.some(route => route.problems);
  const form = byId('filters');
  form.append(make('label', 'wide', 'Search ', search), service, namespace, withProblems);
  return {
    areSet: () => search.value.trim() !== '' || problems.checked || ['service', 'namespace'].some(id => byId(id).value !== ALL),
    clear: () => form.reset(),
    shows: () => {
      const hasWords = wordsOf(search, methods);
      return route => hasWords(route) && hasService(route) && hasNamespace(route)
        && (!problems.checked || Boolean(route.problems));
    },
  };
}

// Makes a row of the tree.
function makeRow(row) {
  const element = make('div', row.folder ? 'folder' : 'route');
  element.setAttribute('role', 'treeitem');
  element.setAttribute('aria-level', row.level);
  element.style.setProperty('--level', row.level);
  if (row.folder) {
    element.setAttribute('aria-expanded', row.isOpen);
    const marker = make('span', 'marker', row.isOpen ? '▾' : '▸');
    marker.setAttribute('aria-hidden', 'true');
    const ofTable = table => [make('strong', '', table.name), ` ${table.file}:${table.line} ${table.hosts.join(', ')}`];
    const title = row.table ? ofTable(row.table) : pathOf(row.folder.path, row.parent);
    element.title = row.table ? '' : clean(row.folder.path);
    element.append(marker, make('span', 'path', ...title), make('span', 'count', count(row.count, 'route')));
    return element;
  }
  const { route } = row;
  const conditions = (route.conditions ?? []).map(condition => make('span', 'condition', condition));
  element.append(
    makeMethods(route.methods, 3),
    make('span', 'what', make('span', 'path', ...pathOf(route.path, row.parent)), ...conditions),
    make('span', 'target', `→ ${route.target}`));
  if (route.problems) element.append(makeMark(route.problems));
  element.title = clean(`${route.path} → ${route.target}`);
  return element;
}

// Returns a path whose beginning, that of the folder around it, is less prominent.
function pathOf(path, parent) {
  if (!parent || !path.startsWith(parent)) return [make('span', 'rest', path)];
  return [make('span', 'prefix', parent), make('span', 'rest', path.slice(parent.length))];
}

// Makes the mark of a route with errors or warnings.
function makeMark(problems) {
  const errors = problems.filter(index => data.messages[index].severity === 'error').length;
  const kind = errors ? 'error' : 'warning';
  return make('span', `problem ${kind}`, count(errors || problems.length, kind));
}

// Shows the details of a row.
function showDetails(row, box) {
  const body = byId('details-body');
  if (row.folder) {
    const { table } = row;
    body.replaceChildren(makeFacts(table ? [
      ['Table', code(table.name)],
      ['File', `${table.file}:${table.line}`],
      ['Hosts', makeLines(table.hosts)],
      ['Routes', String(row.count)],
    ] : [['Path', code(row.folder.path)], ['Routes', String(row.count)]]));
    return;
  }
  const { route } = row;
  const facts = [
    ['Methods', makeMethods(route.methods)],
    ['Path', code(route.path)],
    ['Target', code(route.target)],
    ['Name', code(route.route)],
  ];
  if (route.service) facts.push(['Service', [code(route.service), route.namespace ? [' in ', code(route.namespace)] : []].flat()]);
  if (route.conditions) facts.push(['Conditions', makeLines(route.conditions)]);
  if (route.extras) facts.push(['Also', makeLines(route.extras)]);
  facts.push(['Hosts', makeLines(route.table.hosts)]);
  facts.push(['File', `${route.table.file}:${route.line}`]);
  body.replaceChildren(makeFacts(facts));
  if (route.problems) body.append(make('ul', 'messages', ...route.problems.map(index => make('li', '', ...makeMessage(data.messages[index])))));
  if (route.url) body.append(makeButton(`Ask about a request to this ${route.isRouted ? 'route' : 'path'}`, () => {
    box.show(exampleOf(route));
    byId('url').focus();
  }));
}

// Returns all errors and warnings, each with a function that shows its route.
function problemsWithRoutes(showRoute) {
  const items = data.messages.map(message => ({ message }));
  data.tables.forEach((table, index) => table.routes.forEach(route => (route.problems ?? []).forEach(problem => {
    items[problem].show ??= () => showRoute(0, index, route.index);
  })));
  return items;
}

// Shows the cases of `--cases` with their results.
function showCases(box) {
  byId('cases').hidden = data.cases === undefined;
  if (data.cases === undefined) return;
  const failed = data.cases.filter(one => one.mismatches.length > 0).length;
  byId('cases-heading').textContent = `${count(data.cases.length, 'case')}, ${failed ? `${failed} failed` : 'all passed'}`;
  const inOrder = [...data.cases].sort((a, b) => Number(b.mismatches.length > 0) - Number(a.mismatches.length > 0));
  byId('case-list').append(...inOrder.map(one => {
    const passed = one.mismatches.length === 0;
    const mismatches = one.mismatches.map(mismatch => make('li', '', mismatch));
    return make('li', '',
      make('span', `outcome ${passed ? 'good' : 'bad'}`, passed ? 'passed' : 'failed'), ' ', one.name, ' ',
      make('span', 'note', `${one.file}:${one.line}`), ' ',
      makeButton('Explain', () => box.show(one)),
      ...(passed ? [] : [make('ul', '', ...mismatches)]));
  }));
}
