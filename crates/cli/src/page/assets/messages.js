// The errors and warnings about the files.

function makeMessage({ severity, file, line, column, place, message, code: kind, other }) {
  const where = place ? [code(place), ': '] : [];
  const position = line === undefined ? ` ${file}: ` : ` ${file}:${line}:${column} `;
  const more = other ? ` ${other.place} is in line ${other.line} of ${other.file}.` : '';
  const note = make('span', 'note', (kind ? `[${kind}]` : '') + more);
  return [make('span', `problem ${severity}`, severity), position, ...where, message, ' ', note];
}

// Shows all errors and warnings. An item can have a function that shows its route in the list.
function showMessages(items) {
  byId('problems').hidden = items.length === 0;
  byId('problem-list').append(...items.map(({ message, show }) =>
    make('li', '', ...makeMessage(message), ...(show ? [' ', makeButton('Show in the list', show)] : []))));
}
