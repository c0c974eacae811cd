// The page that `ksvc-router routes --as html`, `diff --as html` and `serve` make. These scripts are written without a
// library, so that the page is one file that needs no network, and its build needs no package manager.
//
// All text of the tables enters the page through `textContent`, so it never becomes HTML or a script.
'use strict';

const data = JSON.parse(document.getElementById('data').textContent);
const byId = id => document.getElementById(id);

// Control characters, separators of lines, and characters that set the direction of writing: they are not shown, but change
// how the text around them is shown.
const UNPRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;

// Returns a text with such characters written out, as the command line prints it: `\u{202e}`.
function clean(text) {
  return text.replace(UNPRINTABLE, c => ({ '\t': '\\t', '\r': '\\r', '\n': '\\n' })[c] ?? `\\u{${c.codePointAt(0).toString(16)}}`);
}

// Makes an element with a class and children, which are elements or texts.
function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.map(child => typeof child === 'string' ? clean(child) : child));
  return element;
}

function makeButton(text, onClick) {
  const button = make('button', '', text);
  button.type = 'button';
  button.addEventListener('click', onClick);
  return button;
}

// Makes a list of terms and values. A value is a text, or a list of elements and texts.
function makeFacts(facts) {
  const list = make('dl', 'facts');
  for (const [term, value] of facts) {
    list.append(make('dt', '', term), make('dd', '', ...[value].flat()));
  }
  return list;
}

function code(text) {
  return make('code', '', text);
}

// Makes a line of code for each text.
function makeLines(texts) {
  return texts.map(text => make('span', 'line', code(text)));
}

// Returns headers as lines. A header with several values has a line for each.
function headerLines(headers) {
  return Object.entries(headers).flatMap(([name, values]) => [values].flat().map(value => `${name}: ${value}`));
}

// Returns `1 route` or `2 routes`.
function count(number, noun) {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}

// Makes the badges of methods, such as GET and POST, of not more than `most`.
function makeMethods(methods, most = Infinity) {
  const known = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
  const badge = method => make('span', `method ${known.includes(method) ? method.toLowerCase() : ''}`, method);
  const more = methods.length > most ? [make('span', 'note', `+${methods.length - most}`)] : [];
  return make('span', 'methods', ...methods.slice(0, most).filter(Boolean).map(badge), ...more);
}
