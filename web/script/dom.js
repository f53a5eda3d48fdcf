// Elements made of text, and a tree on the page made like another one. Data becomes text and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

/**
 * An element. `null`, `undefined` and `false` are left out, of attributes and of children.
 * @param {string} name
 * @param {Record<string, unknown>} [attributes]
 * @param {...Child} children
 */
export const h = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);

/** The same in SVG. @param {string} name @param {Record<string, unknown>} [attributes] @param {...Child} children */
export const svg = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return element;
}

/**
 * Makes the children of `place` like these, and keeps the elements that are there where they fit, so that focus, selection and
 * what was unfolded stay. Elements with a `data-key` are found by it.
 * @param {Element} place @param {...Child} children
 */
export function render(place, ...children) {
  const wanted = document.createElement("div");
  wanted.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  const focused = document.activeElement;
  alike(place, wanted);
  if (focused instanceof HTMLElement && focused !== document.activeElement && focused.isConnected) {
    focused.focus({ preventScroll: true });
  }
}

const keyOf = (node) => (node instanceof Element ? node.getAttribute("data-key") : null);

function fits(present, wanted) {
  return present.nodeName === wanted.nodeName && keyOf(present) === keyOf(wanted);
}

function alike(place, wanted) {
  const keyed = new Map();
  for (const child of place.childNodes) {
    const key = keyOf(child);
    if (key !== null) keyed.set(key, child);
  }
  let next = place.firstChild;
  for (const child of [...wanted.childNodes]) {
    const key = keyOf(child);
    let found = key === null ? next : keyed.get(key);
    if (key !== null) keyed.delete(key);
    // One without a key takes the place of no one that has one.
    if (found && !fits(found, child)) found = null;
    if (!found) {
      place.insertBefore(child, next);
      continue;
    }
    if (found === next) next = next.nextSibling;
    else place.insertBefore(found, next);
    update(found, child);
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

function update(present, wanted) {
  if (!(present instanceof Element)) {
    if (present.nodeValue !== wanted.nodeValue) present.nodeValue = wanted.nodeValue;
    return;
  }
  // What a person unfolded stays unfolded; what a person types stays.
  const own = present.nodeName === "DETAILS" ? "open" : null;
  for (const { name } of [...present.attributes]) {
    if (name !== own && !wanted.hasAttribute(name)) present.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (name !== own && present.getAttribute(name) !== value) present.setAttribute(name, value);
  }
  alike(present, wanted);
}
