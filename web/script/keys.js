// What keys do. One letter works where no text is typed; two are pressed one after the other.

/** @typedef {{keys: string[], meaning: string, act: () => void}} Shortcut */

/** Milliseconds in which the second letter has to follow. */
const PATIENCE = 1_500;

const isTyping = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

/** @param {Shortcut[]} shortcuts */
export function listen(shortcuts) {
  let first = "";
  let until = 0;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") /** @type {HTMLElement} */ (event.target).blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    const pressed = first !== "" && Date.now() < until ? [first, event.key] : [event.key];
    const found = shortcuts.find(({ keys }) => keys.length === pressed.length && keys.every((key, place) => key === pressed[place]));
    first = "";
    if (found) {
      event.preventDefault();
      found.act();
    } else if (shortcuts.some(({ keys }) => keys.length === 2 && keys[0] === event.key)) {
      first = event.key;
      until = Date.now() + PATIENCE;
    }
  });
}
