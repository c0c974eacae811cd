// A list of rows of which only those in sight are in the document, so that 10,000 rows are as fast as ten. It is used with
// the keyboard as a tree or a list box of the ARIA Authoring Practices: the list has the focus, and names its active row.

class VirtualList {
  // A row has its `position` among the `size` rows of its folder. `render(row)` returns the element of a row, `choose(row)` is called when a row becomes the active one, and
  // `toggle(row, isOpen)` opens or closes a folder; without `isOpen`, it changes its state.
  constructor(element, { render, choose, toggle }) {
    Object.assign(this, { element, render, choose, toggle, rows: [], active: -1 });
    this.body = element.firstElementChild;
    element.addEventListener('scroll', () => this.paint(), { passive: true });
    element.addEventListener('keydown', event => this.onKey(event));
    element.addEventListener('click', event => this.onClick(event));
    new ResizeObserver(() => this.measure()).observe(element);
  }

  // Shows other rows. The active row is the one that `isActive` finds.
  show(rows, isActive) {
    this.rows = rows;
    this.active = rows.findIndex(isActive);
    this.measure();
  }

  // Takes the height of a row from the style sheet, where it depends on the width of the window.
  measure() {
    this.height = parseFloat(getComputedStyle(this.element).getPropertyValue('--row')) || 34;
    this.body.style.height = `${this.rows.length * this.height}px`;
    this.paint();
  }

  paint() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / this.height) - 4);
    const last = Math.min(this.rows.length, Math.ceil((scrollTop + clientHeight) / this.height) + 4);
    const shown = [];
    for (let index = first; index < last; index += 1) shown.push(this.elementOf(index));
    // The active row stays in the document, because the list names it.
    if (this.active >= 0 && (this.active < first || this.active >= last)) shown.push(this.elementOf(this.active));
    this.body.replaceChildren(...shown);
    if (this.active >= 0) this.element.setAttribute('aria-activedescendant', `row-${this.active}`);
    else this.element.removeAttribute('aria-activedescendant');
  }

  elementOf(index) {
    const element = this.render(this.rows[index]);
    element.id = `row-${index}`;
    element.classList.add('row');
    element.style.top = `${index * this.height}px`;
    element.setAttribute('aria-posinset', this.rows[index].position);
    element.setAttribute('aria-setsize', this.rows[index].size);
    element.setAttribute('aria-selected', index === this.active);
    return element;
  }

  // Makes a row the active one, and scrolls to it.
  activate(index) {
    if (index < 0 || index >= this.rows.length) return;
    this.active = index;
    const top = index * this.height;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.height > scrollTop + clientHeight) this.element.scrollTop = top + this.height - clientHeight;
    if (this.element.scrollTop !== scrollTop || !byId(`row-${index}`)) this.paint();
    // The rows stay as they are, so that a text that is selected in them stays selected.
    for (const row of this.body.children) row.setAttribute('aria-selected', row.id === `row-${index}`);
    this.element.setAttribute('aria-activedescendant', `row-${index}`);
    this.choose(this.rows[index]);
  }

  onClick(event) {
    const element = event.target.closest('.row');
    if (!element) return;
    const index = Number(element.id.slice('row-'.length));
    this.activate(index);
    if (this.rows[index].folder) this.toggle(this.rows[index]);
    // On a narrow screen, the details are below the list.
    else if (matchMedia('(max-width: 60rem)').matches) byId('details').scrollIntoView({ block: 'nearest' });
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.height) - 1);
    const last = this.rows.length - 1;
    const row = this.rows[this.active];
    const move = {
      ArrowDown: () => this.activate(Math.min(last, this.active + 1)),
      ArrowUp: () => this.activate(Math.max(0, this.active - 1)),
      PageDown: () => this.activate(Math.min(last, this.active + page)),
      PageUp: () => this.activate(Math.max(0, this.active - page)),
      Home: () => this.activate(0),
      End: () => this.activate(last),
      Enter: () => row?.folder && this.toggle(row),
      ' ': () => row?.folder && this.toggle(row),
      ArrowRight: () => {
        if (row?.folder && !row.isOpen) this.toggle(row, true);
        else if (row?.folder) this.activate(this.active + 1);
      },
      ArrowLeft: () => {
        if (row?.folder && row.isOpen) this.toggle(row, false);
        else this.activate(this.rows.findLastIndex((above, index) => index < this.active && above.level < row?.level));
      },
    }[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  }
}
