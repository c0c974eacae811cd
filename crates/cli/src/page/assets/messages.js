// The errors and warnings about the files.

function makeMessage({ severity, file, line, column, place, message, code: kind }) {
  const where = place ? [code(place), ': '] : [];
  const position = ` ${file}:${line}:${column} `;
  return [make('span', `problem ${severity}`, severity), position, ...where, message, ' ', make('span', 'note', `[${kind}]`)];
}

// Shows all errors and warnings. An item can have a function that shows its route in the list.
function showMessages(items) {
  byId('problems').hidden = items.length === 0;
  byId('problem-list').append(...items.map(({ message, show }) =>
    make('li', '', ...makeMessage(message), ...(show ? [' ', makeButton('Show in the list', show)] : []))));
}
