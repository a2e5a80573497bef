// The login form.

import { Refused } from "./api.js";
import { el, notice, shape } from "./elements.js";
import { failure } from "./failures.js";
import { logIn } from "./session.js";
import { t } from "./texts.js";

// The form; entered: called with the session. ended: whether a session was over before.
export function loginView(entered, { ended = false, languageChoice }) {
  const messages = el("div", {}, ended && notice("info", el("p", {}, t("login.ended"))));
  const field = (name, type, autocomplete) => {
    const input = el("input", { id: `login-${name}`, name, type, autocomplete, required: true, autocapitalize: "none", spellcheck: "false" });
    return [input, el("div", { class: "field" }, el("label", { for: `login-${name}` }, t(`login.${name}`)), input)];
  };
  const [account, accountField] = field("account", "text", "organization");
  const [user, userField] = field("user", "text", "username");
  const [password, passwordField] = field("password", "password", "current-password");
  const submit = el("button", { type: "submit", class: "button primary wide" }, t("login.submit"));
  const form = el("form", {
    class: "card login",
    onsubmit: async (event) => {
      event.preventDefault();
      messages.replaceChildren();
      submit.textContent = t("login.wait");
      submit.disabled = true;
      try {
        entered(await logIn(account.value, user.value, password.value));
      } catch (error) {
        const refused = error instanceof Refused && error.status === 401;
        messages.append(refused ? notice("error", el("p", {}, t("login.refused"))) : failure(error));
        submit.textContent = t("login.submit");
        submit.disabled = false;
        password.select();
        password.focus();
      }
    },
  }, el("div", { class: "brand large" }, el("span", { class: "mark", "aria-hidden": "true" }), t("title")),
    el("h1", {}, t("login.heading")), messages, accountField, userField, passwordField, submit);
  return { element: el("main", { class: "login-page" }, form, languageChoice), focus: () => account.focus() };
}
