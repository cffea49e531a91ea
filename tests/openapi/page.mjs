// Opens the page at /docs in Chromium, as `node page.mjs <task as JSON>`, and prints what it saw as
// JSON: {errors, foreign, response, widths, background, notice}.
import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const { address, browser: executablePath, context, shot, mirror, altered } = JSON.parse(
  process.argv[2],
);

const browser = await chromium.launch({
  executablePath,
  // Root cannot use Chromium's sandbox; it opens only the project's own page.
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = await (await browser.newContext(context)).newPage();
const errors = [];
const foreign = [];
page.on("console", (message) => {
  if (["error", "warning"].includes(message.type())) errors.push(message.text());
});
page.on("pageerror", (error) => errors.push(String(error)));
page.on("request", (request) => {
  if (/^https?:/.test(request.url()) && !request.url().startsWith(address)) {
    foreign.push(request.url());
  }
});
if (mirror) {
  // Stands in for the public mirror; nothing leaves the machine.
  await page.route(`${mirror.address}/**`, async (route) => {
    const name = new URL(route.request().url()).pathname.split("/").pop();
    const body = await readFile(`${mirror.folder}/${name}`, "utf8");
    const contentType = name.endsWith(".css") ? "text/css" : "text/javascript";
    const headers = { "access-control-allow-origin": "*" };
    await route.fulfill({ body: altered ? `${body} ` : body, contentType, headers });
  });
}

await page.goto(`${address}/docs`);
const seen = { errors, foreign };
if (altered) {
  await page.waitForFunction(() => document.querySelector("#notice").textContent.includes("could"));
  seen.notice = await page.textContent("#notice");
} else {
  await page.waitForSelector(".opblock");
  await page.screenshot({ path: `${shot}.png` });
  const operation = page.locator("#operations-Users-createUser");
  await operation.locator(".opblock-summary-control").click();
  await operation.getByRole("button", { name: "Execute" }).click();
  const live = operation.locator(".live-responses-table .response");
  await live.waitFor();
  seen.response = {
    status: await live.locator(".response-col_status").innerText(),
    body: await live.locator("pre").first().innerText(),
  };
  await operation.scrollIntoViewIfNeeded();
  await operation.locator(".opblock-summary").evaluate((node) => node.scrollIntoView());
  await page.screenshot({ path: `${shot}-operation.png` });
  await live.scrollIntoViewIfNeeded();
  await page.screenshot({ path: `${shot}-response.png` });
  const widths = () => [document.documentElement.scrollWidth, window.innerWidth];
  seen.widths = await page.evaluate(widths);
  const background = () => getComputedStyle(document.body).backgroundColor;
  seen.background = await page.evaluate(background);
}
console.log(JSON.stringify(seen));
await browser.close();
