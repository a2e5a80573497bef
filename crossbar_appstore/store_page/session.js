// The session: a token that is kept for the tab, and who it belongs to.

import { call, get, useToken } from "./api.js";
import { md5 } from "./md5.js";

const TOKEN = "store-token";
const PLACE = "store-account";

// Logs in. The password does not leave the browser: the API takes the hash of user name and password.
export async function logIn(accountName, username, password) {
  useToken(null);
  const credentials = md5(`${username.trim().toLowerCase()}:${password}`);
  const reply = await call("PUT", "user_auth", { data: { credentials, account_name: accountName.trim() } });
  useToken(reply.auth_token);
  sessionStorage.setItem(TOKEN, reply.auth_token);
  return session(reply.data);
}

// The session of this tab; null without one.
export async function resume() {
  const token = sessionStorage.getItem(TOKEN);
  if (token === null) return null;
  useToken(token);
  return session(await get("token_auth"));
}

export function logOut() {
  useToken(null);
  sessionStorage.removeItem(TOKEN);
  sessionStorage.removeItem(PLACE);
}

// The account in which the tab works, after a reload.
export function keepPlace(account) {
  sessionStorage.setItem(PLACE, JSON.stringify(account));
}

export function keptPlace() {
  return JSON.parse(sessionStorage.getItem(PLACE) ?? "null");
}

async function session(data) {
  const own = { id: data.account_id, name: data.account_name ?? "" };
  const user = data.owner_id ? await get(`accounts/${own.id}/users/${data.owner_id}`) : null;
  const isAdmin = user === null || user.priv_level === "admin";
  const below = isAdmin ? await get(`accounts/${own.id}/children?page_size=1`) : [];
  return {
    own,
    userId: data.owner_id ?? null,
    userName: user === null ? "" : nameOf(user),
    isAdmin,
    isMaster: data.is_master_account === true,
    hasAccountsBelow: below.length > 0,
    // What this user may use: the list of an account is the same for all its users.
    usable: new Set((data.apps ?? []).map((app) => app.id)),
  };
}

export function nameOf(user) {
  const full = [user.first_name, user.last_name].filter(Boolean).join(" ");
  return full || user.username || user.email || user.id;
}
