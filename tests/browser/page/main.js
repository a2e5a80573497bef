// The page: whitelabel, login and navigation.

import { Accounts } from "./accounts.js";
import { Api, Failure } from "./api.js";
import { showFailure } from "./dialogs.js";
import { button, fill, item, one, show } from "./elements.js";
import { Exchange } from "./exchange.js";
import { MyAccount } from "./myaccount.js";
import { isForUser } from "./permissions.js";
import { Session, probe } from "./session.js";
import { textsOf } from "./texts.js";

const generation = new URLSearchParams(location.search).get("ui") ?? "5.5";
const api = new Api(window.config.api.default, one("#traffic"), window.config.kazooClusterId);
const session = new Session(api, generation, { failed, greet: () => attempt(() => myAccount.greet()) });
const exchange = new Exchange(session, { changed: refreshApps, failed });
const accounts = new Accounts(session, { actAs, failed });
const myAccount = new MyAccount(session, { read: renderLauncher, failed });

async function start() {
  await brand();
  if (await attempt(() => session.resume())) await enter();
  else show("login");
}

// The whitelabel of the host name. No user is logged in yet, and most hosts have none.
async function brand() {
  const path = `whitelabel/${location.hostname}`;
  const found = await probe(api, path);
  const logo = await probe(api, `${path}/logo`, { accept: "*/*" });
  await probe(api, `${path}/icon`, { accept: "*/*" });
  if (found && found.data.domain === location.hostname) one("#brand").textContent = found.data.company_name;
  if (logo !== null) {
    // The same address again as a picture, without a token.
    one("#logo").style.cssText = `background-image: url(${api.base}${path}/logo)`;
    one("#logo").hidden = false;
  }
}

async function enter() {
  const { account, user, version } = session;
  one("#who").textContent = `${user.first_name} ${user.last_name}, ${account.name} (${version})`;
  showRole(account);
  renderLauncher();
  document.body.dataset.admin = session.isAdmin;
  if (!session.isAdmin) return show("launcher");
  return attempt(() => exchange.open(session.accountId));
}

function showRole(account) {
  const roles = [account.superduper_admin && "system", account.is_reseller && "reseller"].filter(Boolean);
  one("#role").textContent = roles.join(", ");
}

async function refreshApps() {
  await session.keepAppList();
  renderLauncher();
}

function renderLauncher() {
  // The older version opens its launcher only to those who have read the greeting.
  const isClosed = session.isFour && session.isNew;
  const mine = isClosed ? [] : session.apps.filter((app) => isForUser(app, session.user));
  fill(one("#launcher"), mine.map((app) => item(button(textsOf(app, session).label, () => attempt(() => openApp(app))))));
}

// An app uses the API that its document names, else that of the page; an empty address is the page's origin.
async function openApp(app) {
  const own = new Api(new URL(app.api_url ?? api.base, location.href).href, one("#traffic"));
  own.token = api.token;
  const { data } = await own.get(`accounts/${session.accountId}`);
  one("#opened").textContent = `${textsOf(app, session).label} works for ${data.name}`;
}

async function actAs(child) {
  await attempt(async () => {
    const { data, metadata } = await api.get(`accounts/${child.id}`);
    const account = { ...data, ...metadata };
    one("#who").textContent = `${session.user.first_name} ${session.user.last_name}, acting in ${account.name}`;
    showRole(account);
    one("#to-own-account").hidden = false;
    await exchange.open(child.id);
  });
}

async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    failed(error);
    return undefined;
  }
}

// A failure to authenticate leads to the login form; any other failure is shown in a dialog.
function failed(error) {
  if (error instanceof Failure && error.reply.status === 401) backToLogin("Your session has ended.");
  else showFailure(error);
}

function backToLogin(message) {
  session.logOut();
  api.renew = null;
  api.token = undefined;
  document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
  one("#login-message").textContent = message;
  show("login");
}

one("#login").onsubmit = async (event) => {
  event.preventDefault();
  const { username, password, account } = event.target.elements;
  one("#login-message").textContent = "";
  try {
    await session.logIn(username.value, password.value, account.value);
  } catch (error) {
    refuseLogin(error);
    return;
  }
  await enter();
};

function refuseLogin(error) {
  if (!(error instanceof Failure) || error.reply.status !== 401) return showFailure(error);
  // Unchecked, as in Monster UI: a body that was not parsed as JSON raises an exception and shows nothing.
  const wantsFactor = error.reply.body.data.hasOwnProperty("multi_factor_request");
  one("#login-message").textContent = wantsFactor ? "A second factor is needed." : "Invalid credentials, please try again.";
  return undefined;
}

one("#to-exchange").onclick = () => attempt(() => exchange.open(exchange.accountId));
one("#to-accounts").onclick = () => attempt(() => accounts.open(exchange.accountId));
one("#to-my-account").onclick = () => attempt(() => myAccount.open());
one("#to-own-account").onclick = () => {
  one("#to-own-account").hidden = true;
  enter();
};
one("#log-out").onclick = () => {
  session.logOut();
  location.reload();
};

start();
