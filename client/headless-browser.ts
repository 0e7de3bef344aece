import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import chromium from "@sparticuz/chromium";
import { build } from "esbuild";
import { chromium as playwright, type Page } from "playwright-core";

/** For tests: a page of a headless Chromium in which a module of ours runs. */
export interface BrowserPage extends AsyncDisposable {
  readonly page: Page;
  /** Errors that the page did not catch. */
  readonly faults: readonly string[];
}

const INSTALLED = "/usr/bin/chromium";
// Nothing but what the test does may touch the network.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
];
const PAGE_PATH = "/browser-test";

/** The module at `entry` with all it imports, as one script for browsers. */
async function bundle(entry: string): Promise<string> {
  const built = await build({ entryPoints: [entry], bundle: true, write: false, format: "esm", platform: "browser", target: "esnext" });
  return built.outputFiles[0]!.text;
}

/**
 * Opens a page at `origin` that runs the module at `entry`. Page and script are put in by the test; everything else of that
 * origin comes from whoever serves it, so that the page and a gateway share an origin as in real use.
 */
export async function openBrowserPage(entry: string, origin: string): Promise<BrowserPage> {
  const script = await bundle(entry);
  const userData = await mkdtemp(join(tmpdir(), "fastchat-browser-"));
  const executablePath = existsSync(INSTALLED) ? INSTALLED : await chromium.executablePath();
  const context = await playwright.launchPersistentContext(userData, { executablePath, headless: true, args: FLAGS });
  // The page did not come over the network, so that Chromium counts it to no network, and loopback as foreign to it.
  await context.grantPermissions(["local-network-access"]);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  await page.route(`${origin}${PAGE_PATH}/**`, (route) =>
    route.request().url().endsWith(".js")
      ? route.fulfill({ contentType: "text/javascript", body: script })
      : route.fulfill({ contentType: "text/html", body: `<!doctype html><script type="module" src="${PAGE_PATH}/page.js"></script>` }),
  );
  await page.goto(`${origin}${PAGE_PATH}/page.html`);
  return {
    page,
    faults,
    async [Symbol.asyncDispose]() {
      await context.close();
      await rm(userData, { recursive: true, force: true });
    },
  };
}
