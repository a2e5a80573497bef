// Functions that find and create elements.

export const one = (selector, within = document) => within.querySelector(selector);

export const fill = (parent, children) => parent.replaceChildren(...children);

export function make(tag, properties = {}, children = []) {
  const { data = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
}

export const item = (content) => make("li", {}, [content]);

export function button(text, onclick) {
  return make("button", { type: "button", textContent: text, onclick });
}

export function show(view) {
  document.body.dataset.view = view;
}
