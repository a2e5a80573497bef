// Screenshots: small ones in a row, and large ones that arrow keys turn over.

import { openDialog } from "./dialogs.js";
import { el, shapeButton } from "./elements.js";
import { screenshot } from "./pictures.js";
import { t } from "./texts.js";

export function screenshots(accountId, app, label) {
  const count = Array.isArray(app.screenshots) ? app.screenshots.length : 0;
  if (count === 0) return null;
  const alt = (index) => t("details.screenshot", { number: index + 1, count, label });
  const all = Array.from({ length: count }, (_, index) => index);
  return el("section", {},
    el("h3", {}, t("details.screenshots")),
    el("ul", { class: "screenshots" }, all.map((index) =>
      el("li", {}, el("button", { type: "button", title: t("details.open"), onclick: () => openLarge(accountId, app, index, count, alt) },
        screenshot(accountId, app.id, index, alt(index)))))),
  );
}

function openLarge(accountId, app, first, count, alt) {
  let index = first;
  const heading = el("h2", { class: "caption", "aria-live": "polite" });
  const frame = el("div", { class: "frame" });
  const turn = (by) => {
    index = (index + by + count) % count;
    heading.textContent = alt(index);
    frame.replaceChildren(screenshot(accountId, app.id, index, alt(index), { eager: true }));
  };
  turn(0);
  const several = count > 1;
  const dialog = openDialog("gallery", heading, el("div", { class: "content" },
    frame,
    el("div", { class: "turning" },
      several && shapeButton("back", t("details.previous"), () => turn(-1)),
      heading,
      several && shapeButton("forward", t("details.next"), () => turn(1)))));
  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1, Home: -index, End: count - 1 - index }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    turn(by);
  });
}
