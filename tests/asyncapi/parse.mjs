// Prints what AsyncAPI's own parser finds in a document: errors, warnings, and whether it is valid.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [, , tools, document] = process.argv;
const { Parser } = createRequire(`${tools}/`)("@asyncapi/parser");
const { document: parsed, diagnostics } = await new Parser().parse(readFileSync(document, "utf8"));
const INFORMATION = 2;
const found = diagnostics.filter(({ severity }) => severity < INFORMATION);
console.log(JSON.stringify({ valid: parsed !== undefined, found }));
