import type { ExportedItem, ExportOverview } from "./export-shapes.ts";
import { viewer } from "./generated/viewer.ts";

/** Nothing is loaded from anywhere, and no script runs but the viewer's own: whatever else turns up in the page can do nothing. */
const POLICY = [
  "default-src 'none'",
  `script-src '${viewer.scriptHash}'`,
  `style-src '${viewer.styleHash}'`,
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

const HEAD = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Messages</title>
<style>${viewer.style}</style>
</head>
<body>
<aside>
<header><h1 id="owner">Reading …</h1><input id="search" type="search" placeholder="Search in all messages ( / )" aria-label="Search in all messages" autocomplete="off"></header>
<nav id="chats" aria-label="Conversations"></nav>
</aside>
<main>
<header><h2 id="heading"></h2><span id="place" class="quiet"></span><input id="date" type="date" aria-label="Go to a day" hidden></header>
<div id="scroll" class="scroll" tabindex="0" role="region" aria-labelledby="heading"><ol id="items"></ol></div>
<div id="about" class="about" tabindex="0" role="region" aria-labelledby="heading" hidden></div>
</main>
`;

/**
 * The viewer with all that it shows, in pieces. The content stands in blocks of data, which no browser runs, and in which no tag can end.
 */
export async function* viewerPage(
  overview: ExportOverview,
  conversations: readonly AsyncIterable<readonly ExportedItem[]>[],
): AsyncGenerator<string> {
  yield HEAD;
  yield dataBlock("data-overview", overview);
  for (const [number, pages] of conversations.entries())
    for await (const page of pages) yield dataBlock(`data-conversation="${number}" data-count="${page.length}"`, page);
  yield `<script>${viewer.script}</script>\n</body>\n</html>\n`;
}

const dataBlock = (attributes: string, content: object): string =>
  `<script type="application/json" ${attributes}>${JSON.stringify(content).replaceAll("<", "\\u003c")}</script>\n`;
