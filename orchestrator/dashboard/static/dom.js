// Builds elements. Text only ever becomes text: what a log says is never read as markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const h = (name, attributes = {}, ...children) =>
  filled(document.createElement(name), attributes, children);

export const s = (name, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, name), attributes, children);

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// The letter of a standing in its colours. What it means is said beside it.
export const chip = (letter, role) => h("span", { class: `chip r-${role}`, "aria-hidden": "true" }, letter);
