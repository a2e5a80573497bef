// What the page knows: who works in which account, its apps, and which of them are shown.

import { call, get } from "./api.js";
import { appTexts, collator } from "./texts.js";

const NO_FILTER = { search: "", tag: "", show: "all" };

export class Store {
  constructor(session, account) {
    this.session = session;
    this.account = account;
    this.apps = [];
    this.stale = false;
    this.filter = { ...NO_FILTER };
    this.users = null;
  }

  // Whether this is an account below the caller's own.
  get isBelow() {
    return this.account.id !== this.session.own.id;
  }

  get isFiltered() {
    return Object.keys(NO_FILTER).some((key) => this.filter[key] !== NO_FILTER[key]);
  }

  clearFilter() {
    this.filter = { ...NO_FILTER };
  }

  // Reads the apps of the account. Below the own account also those that the own account has and this one does not see.
  async load(signal) {
    const [list, own] = await Promise.all([
      call("GET", this.path(), { signal }),
      this.isBelow ? get(`accounts/${this.session.own.id}/apps_store`, { signal }) : [],
    ]);
    // The list is that of the account. Other users see what is installed for them.
    const isUsable = (app) => isInstalled(app) && this.session.usable.has(app.id);
    const apps = this.session.isAdmin ? list.data : list.data.filter(isUsable);
    const seen = new Set(apps.map((app) => app.id));
    const hidden = own.filter((app) => !seen.has(app.id)).map((app) => ({ ...withoutPermission(app), isHidden: true }));
    this.stale = list.stale;
    this.apps = [...apps, ...hidden];
    this.sort();
  }

  sort() {
    const { compare } = collator();
    for (const app of this.apps) app.texts = appTexts(app);
    this.apps.sort((one, other) => compare(one.texts.label, other.texts.label));
  }

  path(...rest) {
    return ["accounts", this.account.id, "apps_store", ...rest.map(encodeURIComponent)].join("/");
  }

  // The tags of the apps, with how many have each, by name.
  tags() {
    const counts = new Map();
    for (const app of this.apps) {
      for (const tag of app.tags) if (typeof tag === "string") counts.set(tag, (counts.get(tag) ?? 0) + 1);
    }
    const { compare } = collator();
    return [...counts].sort((one, other) => compare(one[0], other[0]));
  }

  matches(app) {
    const { search, tag, show } = this.filter;
    if (tag !== "" && !app.tags.includes(tag)) return false;
    if (show === "installed" && !isInstalled(app)) return false;
    if (show === "available" && (isInstalled(app) || app.isHidden)) return false;
    if (show === "hidden" && !app.isHidden) return false;
    const { label, description, extended, features } = app.texts;
    const text = [label, app.name, description, extended, app.author ?? "", ...features, ...app.tags].join("\n");
    const words = folded(search).split(/\s+/);
    return words.every((word) => folded(text).includes(word));
  }

  // The account's users by name, read once.
  async allUsers() {
    this.users ??= get(`accounts/${this.account.id}/users?paginate=false`).catch((error) => {
      this.users = null;
      throw error;
    });
    return this.users;
  }

  async install(app, permission) {
    const { data } = await call("PUT", this.path(app.id), { data: permission });
    take(app, data);
  }

  async change(app, permission) {
    const { data } = await call("POST", this.path(app.id), { data: permission });
    take(app, data);
  }

  async uninstall(app) {
    await call("DELETE", this.path(app.id));
    delete app.allowed_users;
    app.users = [];
  }

  // Reads one app again, after somebody else changed it.
  async refresh(app) {
    const data = await get(this.path());
    const now = data.find((each) => each.id === app.id) ?? {};
    delete app.allowed_users;
    take(app, { allowed_users: now.allowed_users, users: now.users ?? [] });
  }
}

export function isInstalled(app) {
  return app.allowed_users !== undefined;
}

// The ids of the users who are chosen for an app.
export function chosenUsers(app) {
  return (app.users ?? []).map((user) => (typeof user === "object" && user !== null ? user.id : user)).filter(Boolean);
}

// A text for comparing: without case, and without marks on letters.
export function folded(text) {
  return text.normalize("NFD").replace(/\p{Mn}/gu, "").toLowerCase().trim();
}

function take(app, permission) {
  if (permission.allowed_users !== undefined) app.allowed_users = permission.allowed_users;
  app.users = permission.users ?? [];
}

function withoutPermission(app) {
  const { allowed_users: _, ...others } = app;
  return { ...others, users: [] };
}
