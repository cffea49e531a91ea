// Shows the OpenAPI document in Swagger UI, in the system's light or dark colours.
"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

const description = document.querySelector("link[rel=service-desc]").href;

if (window.SwaggerUIBundle) {
  window.SwaggerUIBundle({
    url: description,
    dom_id: "#api",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    docExpansion: "list",
    persistAuthorization: false,
    showCommonExtensions: true,
    tryItOutEnabled: true,
    validatorUrl: null,
  });
} else {
  document.getElementById("notice").firstChild.textContent =
    "Swagger UI could not be loaded. The same information is in ";
}
