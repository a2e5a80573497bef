// Shows the document of this origin; nothing is sent to a validator elsewhere.
SwaggerUIBundle({
  dom_id: "#viewer",
  url: "v2/openapi.json",
  validatorUrl: null,
  docExpansion: "none",
  defaultModelsExpandDepth: -1,
  deepLinking: true,
});
