// Dialogs: the browser's own, which keep the focus inside, close with Escape and give the focus back.

import { button, el, newId, shapeButton } from "./elements.js";
import { t } from "./texts.js";

// Opens a dialog with a heading; returns its element. It is removed when it is closed.
export function openDialog(kind, heading, content, { onclose = () => {}, role } = {}) {
  const id = newId("heading");
  heading.id = id;
  const close = shapeButton("close", t("close"), () => dialog.close(), { class: "icon-button close" });
  const dialog = el("dialog", { class: kind, "aria-labelledby": id, role }, close, content);
  dialog.addEventListener("close", () => {
    dialog.remove();
    onclose();
  });
  // A click beside the dialog hits the dialog itself: its content fills it.
  dialog.addEventListener("mousedown", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// Asks for a confirmation; the promise is whether it was given.
export function confirm(question, explanation, action) {
  return new Promise((resolve) => {
    let confirmed = false;
    const heading = el("h2", {}, question);
    const yes = button(action, () => {
      confirmed = true;
      dialog.close();
    }, { class: "button danger solid" });
    const no = button(t("cancel"), () => dialog.close(), { autofocus: true });
    const content = el("div", { class: "content" }, heading, el("p", {}, explanation), el("div", { class: "actions" }, no, yes));
    const dialog = openDialog("confirmation", heading, content, {
      role: "alertdialog",
      onclose: () => resolve(confirmed),
    });
    no.focus();
  });
}
