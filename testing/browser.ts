import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import chromium from "@sparticuz/chromium";
import { build } from "esbuild";
import { type Browser, chromium as playwright, type LaunchOptions, type Page } from "playwright-core";

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

/** A headless Chromium: the machine's, else the one inside an npm package, else (where that does not run) the user's Chrome. */
export async function launchBrowser(): Promise<Browser> {
  return playwright.launch(await launchOptions());
}

async function launchOptions(): Promise<LaunchOptions> {
  if (existsSync(INSTALLED)) return { executablePath: INSTALLED, headless: true, args: FLAGS };
  if (process.platform !== "linux" || process.arch !== "x64") return { channel: "chrome", headless: true, args: FLAGS };
  return { executablePath: join(await unpackedBrowser(), "chromium"), headless: true, args: [...chromium.args, ...FLAGS] };
}

/** The npm package's Chromium, unpacked once beside the other packages. */
async function unpackedBrowser(): Promise<string> {
  const caches = join(import.meta.dirname, "../node_modules/.cache");
  const unpacked = join(caches, "chromium");
  if (!existsSync(unpacked)) {
    await mkdir(caches, { recursive: true });
    // Under a name of its own first: whoever unpacks at the same time never finds half a browser.
    const fresh = await mkdtemp(join(caches, "chromium-"));
    await unpackInto(fresh);
    await rename(fresh, unpacked).catch(() => rm(fresh, { recursive: true }));
  }
  return unpacked;
}

/** The package unpacks into the system's temporary folder, wherever that is said to be. */
async function unpackInto(folder: string): Promise<void> {
  const usual = process.env["TMPDIR"];
  process.env["TMPDIR"] = folder;
  try {
    chromium.setGraphicsMode = false;
    await chromium.executablePath();
  } finally {
    if (usual === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = usual;
  }
}

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
  const context = await playwright.launchPersistentContext(userData, await launchOptions());
  // The page did not come over the network, so that Chromium counts it to no network, and loopback as foreign to it.
  await context.grantPermissions(["local-network-access"]);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  // Also for further pages of the same browser.
  await context.route(`${origin}${PAGE_PATH}/**`, (route) =>
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
