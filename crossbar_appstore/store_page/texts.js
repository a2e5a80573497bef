// Languages: the texts of the page, and which of an app's texts to show.

const PAGES = { en: () => import("./texts-en.js"), de: () => import("./texts-de.js") };
const CHOICE = "store-language";
const FALLBACK = "en-US";

let texts = {};
let page = "en";
let wanted = [FALLBACK];

// Loads the page's texts in the first language wanted: the one chosen before, else those of the browser.
export async function loadTexts() {
  const chosen = localStorage.getItem(CHOICE);
  wanted = [...(chosen === null ? [] : [chosen]), ...navigator.languages, FALLBACK];
  page = wanted.map(primary).find((language) => language in PAGES) ?? "en";
  texts = (await PAGES[page]()).default;
  document.documentElement.lang = page;
}

export async function chooseLanguage(tag) {
  localStorage.setItem(CHOICE, tag);
  await loadTexts();
}

// The language of the page's own texts.
export function pageLanguage() {
  return page;
}

// The languages to choose from: those of the page, and those of the apps, each with its own name, by that name.
export function languages(apps) {
  const tags = new Set(Object.keys(PAGES));
  for (const app of apps) {
    for (const tag of Object.keys(app.i18n ?? {})) {
      if (isTag(tag) && !tags.has(primary(tag))) tags.add(primary(tag));
    }
  }
  const named = [...tags].map((tag) => [tag, languageName(tag)]);
  return named.sort((one, other) => one[1].localeCompare(other[1]));
}

export function chosenLanguage() {
  return primary(wanted[0]);
}

// A text of the page. {name} in it is replaced; where there is a count, the form of its number is taken.
export function t(key, values = {}) {
  let text = texts[key];
  if (typeof text === "object") text = text[new Intl.PluralRules(page).select(values.count)] ?? text.other;
  if (text === undefined) throw new Error(`no text ${key}`);
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// Whether there is such a text.
export function hasText(key) {
  return key in texts;
}

// An app's texts in the first language wanted that it has, and that language.
export function appTexts(app) {
  const i18n = app.i18n ?? {};
  const tags = Object.keys(i18n);
  const found =
    wanted.map((language) => bestOf(tags, language)).find((tag) => tag !== undefined) ?? tags[0];
  const own = i18n[found] ?? {};
  return {
    language: found !== undefined && isTag(found) ? found : null,
    label: text(own.label) || text(i18n[FALLBACK]?.label) || text(app.name),
    description: text(own.description),
    extended: text(own.extended_description),
    features: Array.isArray(own.features) ? own.features.map(text).filter(Boolean) : [],
  };
}

export function formatNumber(number) {
  return new Intl.NumberFormat(page).format(number);
}

export function collator() {
  return new Intl.Collator(page, { numeric: true, sensitivity: "base" });
}

function bestOf(tags, language) {
  const lower = language.toLowerCase();
  return (
    tags.find((tag) => tag.toLowerCase() === lower) ?? tags.find((tag) => primary(tag) === primary(language))
  );
}

function primary(tag) {
  return tag.split("-")[0].toLowerCase();
}

function languageName(tag, fallback = "code") {
  return new Intl.DisplayNames([tag], { type: "language", fallback }).of(tag);
}

// Whether this is a language that has a name: an app document may hold anything.
function isTag(tag) {
  try {
    return /^[a-z]{2,3}(-|$)/i.test(tag) && languageName(tag, "none") !== undefined;
  } catch {
    return false;
  }
}

function text(value) {
  return typeof value === "string" || typeof value === "number" ? String(value).trim() : "";
}
