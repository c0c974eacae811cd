// The tree of an API: its folders are the parts of the paths.

// `/item-2` comes before `/item-10`.
const order = new Intl.Collator('en', { numeric: true });

// Returns the tree of some routes. A folder has a `path`, `folders` and `routes`. A folder without routes of its own and with
// only one folder in it is joined with that one.
function treeOf(routes, key) {
  const root = { path: '', key, byName: new Map(), routes: [] };
  for (const route of routes) {
    let folder = root;
    for (const name of route.path.replace(/^\//, '').split('/')) {
      if (!folder.byName.has(name)) {
        const path = `${folder.path}/${name}`;
        folder.byName.set(name, { path, key: `${key} ${path}`, byName: new Map(), routes: [] });
      }
      folder = folder.byName.get(name);
    }
    folder.routes.push(route);
  }
  return finished(root, true);
}

function finished({ path, key, byName, routes }, isRoot) {
  const folders = [...byName.values()].map(folder => finished(folder, false));
  if (!isRoot && routes.length === 0 && folders.length === 1) return folders[0];
  folders.sort((a, b) => order.compare(a.path, b.path));
  return { path, key, folders, routes };
}

// Appends the rows of a folder, from top to bottom, and returns the routes of it that are shown: a route with several elements in
// `match` has several rows, and counts once. Each row has a `route` or a `folder`, its `level`, and its `position` among the `size`
// rows of the same folder.
function appendRows(rows, folder, level, { shows, isOpen }) {
  const siblings = [];
  const shown = new Set();
  const appendRoutes = (routes, parent) => {
    for (const route of routes.filter(shows)) {
      siblings.push({ route, level, parent: parent.path });
      rows.push(siblings.at(-1));
      shown.add(route.id);
    }
  };
  appendRoutes(folder.routes, folder);
  for (const child of folder.folders) {
    if (child.folders.length === 0) {
      appendRoutes(child.routes, folder);
      continue;
    }
    const row = { folder: child, level, parent: folder.path, isOpen: isOpen(child) };
    const start = rows.push(row);
    const inside = appendRows(row.isOpen ? rows : [], child, level + 1, { shows, isOpen });
    row.count = inside.size;
    if (row.count === 0) rows.length = start - 1;
    else siblings.push(row);
    inside.forEach(id => shown.add(id));
  }
  siblings.forEach((row, index) => Object.assign(row, { position: index + 1, size: siblings.length }));
  return shown;
}
