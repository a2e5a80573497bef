// Accounts below the caller's own: finds one and works there.

import { call, get } from "./api.js";
import { openDialog } from "./dialogs.js";
import { button, debounced, el, shape } from "./elements.js";
import { failure } from "./failures.js";
import { t } from "./texts.js";

const PAGE = 25;
const PAUSE = 250;

// Opens the list of accounts; choose: called with the account ({id, name}) in which to work.
export function openAccounts(store, choose) {
  const heading = el("h2", {}, t("accounts.heading"));
  const results = el("div", { class: "results", "aria-live": "polite" });
  let looking = new AbortController();

  const show = async (load) => {
    looking.abort();
    looking = new AbortController();
    const { signal } = looking;
    try {
      const shown = await load(signal);
      if (!signal.aborted) results.replaceChildren(...shown);
    } catch (error) {
      if (!signal.aborted) results.replaceChildren(failure(error));
    }
  };
  const row = (account) =>
    el("li", {}, el("button", { type: "button", onclick: () => pick({ id: account.id, name: account.name }) },
      shape("account"), el("span", {}, el("bdi", { class: "name" }, account.name ?? account.id), el("span", { class: "hint" }, account.realm))));
  const pick = (account) => {
    dialog.close();
    choose(account);
  };
  const below = async (signal) => {
    const [tree, first] = await Promise.all([parents(store, signal), children(store, null, signal)]);
    const list = el("ul", { class: "accounts" }, first.data.map(row));
    return [
      tree.length > 0 && el("ul", { class: "accounts up" }, tree.map((account) =>
        el("li", {}, el("button", { type: "button", onclick: () => pick(account) }, shape("back"), t("accounts.up", { account: account.name }))))),
      el("h3", {}, t("accounts.below", { account: store.account.name })),
      first.data.length > 0 ? list : el("p", { class: "muted" }, t("accounts.noneBelow", { account: store.account.name })),
      more(store, list, first, row),
    ].filter(Boolean);
  };
  const found = (text) => async (signal) => {
    const accounts = await search(text, signal);
    if (accounts.length === 0) return [el("p", { class: "muted" }, t("accounts.noMatch"))];
    return [el("h3", {}, t("accounts.found")), el("ul", { class: "accounts" }, accounts.map(row))];
  };
  const field = el("input", {
    type: "search", "aria-label": t("accounts.search"), placeholder: t("accounts.search"), autocomplete: "off", spellcheck: "false",
    oninput: debounced(() => show(field.value.trim() === "" ? below : found(field.value.trim())), PAUSE),
  });
  const dialog = openDialog("chooser", heading, el("div", { class: "content" }, heading, field, results));
  field.focus();
  show(below);
}

async function search(text, signal) {
  const lists = await Promise.all(["name", "realm"].map((field) =>
    get(`search?t=account&q=${field}&v=${encodeURIComponent(text)}&page_size=${PAGE}`, { signal })));
  const found = new Map(lists.flat().map((account) => [account.id, account]));
  return [...found.values()];
}

// The accounts above the one worked in, up to the caller's own, nearest first.
async function parents(store, signal) {
  if (!store.isBelow) return [];
  const tree = await get(`accounts/${store.account.id}/tree`, { signal });
  const { own } = store.session;
  const above = tree.filter((account) => account.id !== own.id);
  return [own, ...above].reverse();
}

function children(store, start, signal) {
  const from = start === null ? "" : `&start_key=${encodeURIComponent(start)}`;
  return call("GET", `accounts/${store.account.id}/children?ascending=true&page_size=${PAGE}${from}`, { signal });
}

function more(store, list, page, row) {
  if (page.next_start_key === undefined) return null;
  let next = page.next_start_key;
  const pressed = button(t("accounts.more"), async () => {
    try {
      const following = await children(store, next);
      list.append(...following.data.map(row));
      next = following.next_start_key;
      if (next === undefined) pressed.remove();
    } catch (error) {
      pressed.replaceWith(failure(error));
    }
  });
  return pressed;
}
