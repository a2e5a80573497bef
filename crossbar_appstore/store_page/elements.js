// Makes elements. Texts become text nodes: nothing that the API returns is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

const SHAPES = {
  account: "M3 21V7l6-4 6 4v14M15 10h6v11M7 10h4M7 14h4M7 18h4",
  back: "M15 5l-7 7 7 7",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  cross: "M7 7l10 10M17 7L7 17",
  down: "M6 9.5l6 6 6-6",
  forward: "M9 5l7 7-7 7",
  out: "M14 4h5v16h-5M4 12h11M11 8l4 4-4 4",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20 20l-4-4",
  warning: "M12 4L2.5 20h19zM12 10v4.5M12 17v.5",
};

// An element. Properties that begin with "on" are listeners, others attributes; false, null and undefined are none.
export function el(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// A picture that says nothing by itself.
export function shape(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "shape");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

// A button with a text, or with a shape and an aria-label.
export function button(text, onclick, properties = {}) {
  return el("button", { type: "button", class: "button", onclick, ...properties }, text);
}

export function shapeButton(name, label, onclick, properties = {}) {
  return el("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...properties },
    shape(name));
}

// A message in a place of its own; read out when it appears, at once if it is an error.
export function notice(kind, ...content) {
  return el("div", { class: `notice ${kind}`, role: kind === "error" ? "alert" : "status" }, ...content);
}

let numbers = 0;

export function newId(name) {
  numbers += 1;
  return `${name}-${numbers}`;
}

// Calls a function when it was not called again for so many milliseconds.
export function debounced(action, milliseconds) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}
