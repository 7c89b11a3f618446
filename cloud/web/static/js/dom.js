// Small helpers for filling <template>s, whose parts are named with data-field.

export function clone(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

export const part = (element, name) => element.querySelector(`[data-field="${name}"]`);

export function text(element, name, value) {
  const target = part(element, name);
  if (target.textContent !== value) target.textContent = value;
  return target;
}

// A word with the colour of that word.
export function pill(element, name, word) {
  text(element, name, word).dataset.is = word;
}

export function show(element, visible) {
  element.hidden = !visible;
}

// Say what went wrong, or nothing.
export function notice(element, message) {
  element.textContent = message ?? "";
  show(element, Boolean(message));
}
