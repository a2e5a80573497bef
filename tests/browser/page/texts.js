// The label of an app; newer versions of Monster UI fall back to any language.

export function textsOf(app, { language, generation }) {
  const exact = app.i18n[language] ?? app.i18n["en-US"];
  return generation === "4.3" ? exact : (exact ?? Object.values(app.i18n)[0]);
}
