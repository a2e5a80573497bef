// Icons and screenshots. They are loaded when they come near the screen, with the token in a header: an address with the
// token in it would end up in logs.

import { picture as load } from "./api.js";
import { el } from "./elements.js";

const NEAR = "400px";
const COLOURS = 6;
const UNTIL_READ = 10_000;

const kept = new Map();
const waiting = new WeakMap();

const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      observer.unobserve(entry.target);
      waiting.get(entry.target)?.();
    }
  },
  { rootMargin: NEAR },
);

// Forgets all pictures: another account may have others for the same apps.
export function forgetPictures() {
  const forgotten = [...kept.values()];
  kept.clear();
  // Later: an image that is just being read from memory would fail.
  setTimeout(() => {
    for (const loading of forgotten) loading.then((address) => address !== null && URL.revokeObjectURL(address));
  }, UNTIL_READ);
}

// An app's icon; until it is there, and without one, the first letter of its name. It says nothing beside the name.
export function icon(accountId, app, label) {
  const letter = [...label][0] ?? "?";
  const frame = el("span", { class: `icon colour-${colourOf(app.id)}`, "aria-hidden": "true" }, letter.toUpperCase());
  if (typeof app.icon === "string" && app.icon !== "") {
    whenNear(frame, `accounts/${accountId}/apps_store/${encodeURIComponent(app.id)}/icon`, (address) => {
      const image = el("img", { alt: "", src: address });
      image.addEventListener("load", () => {
        frame.replaceChildren(image);
        frame.classList.add("has-picture");
      });
    });
  }
  return frame;
}

// A screenshot in a frame that says while it is loading, and where it is missing, what it would show.
export function screenshot(accountId, appId, index, alt, { eager = false } = {}) {
  const frame = el("span", { class: "screenshot loading" });
  const path = `accounts/${accountId}/apps_store/${encodeURIComponent(appId)}/screenshot/${index}`;
  const show = (address) => {
    frame.classList.remove("loading");
    frame.replaceChildren(el("img", { alt, src: address }));
  };
  const miss = () => {
    frame.classList.remove("loading");
    frame.classList.add("missing");
    frame.replaceChildren(alt);
  };
  if (eager) fetchPicture(frame, path, show, miss);
  else whenNear(frame, path, show, miss);
  return frame;
}

function whenNear(frame, path, show, miss = () => {}) {
  waiting.set(frame, () => fetchPicture(frame, path, show, miss));
  observer.observe(frame);
}

async function fetchPicture(frame, path, show, miss) {
  if (!kept.has(path)) kept.set(path, load(path).catch(() => null));
  const address = await kept.get(path);
  if (!frame.isConnected) return;
  if (address === null) {
    // It may be there the next time.
    kept.delete(path);
    miss();
  } else {
    show(address);
  }
}

function colourOf(id) {
  let sum = 0;
  for (const letter of id) sum += letter.codePointAt(0);
  return sum % COLOURS;
}
