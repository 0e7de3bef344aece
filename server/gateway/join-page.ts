import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";

const STYLE = `body { max-width: 40rem; margin: 4rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color-scheme: light dark }
code, output { padding: .1em .3em; background: #8882; border-radius: .2em; overflow-wrap: anywhere; user-select: all }`;

/** The secret leaves the browser's history [C7] and stands in the page alone. */
const SCRIPT = `const link = location.href;
if (location.hash.length > 1) {
  history.replaceState(null, "", location.pathname);
  document.querySelector("output").textContent = link;
}`;

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Invitation to a FastChat group</title>
<style>${STYLE}</style>
<h1>You are invited to a group</h1>
<p>This is the invitation. Whoever has it can ask to join, so do not show it around; no server has seen it.</p>
<p><output>Without what stands behind # in the link there is no invitation: open the whole link.</output></p>
<ol>
<li>Open FastChat, signed in to this server.</li>
<li>Type <code>/join</code> and the invitation, or run <code>fastchat group join</code> with the invitation between quotes.</li>
</ol>
<script>${SCRIPT}</script>
</html>
`;

const hashOf = (inline: string): string => `'sha256-${createHash("sha256").update(inline).digest("base64")}'`;
const POLICY = `default-src 'none'; style-src ${hashOf(STYLE)}; script-src ${hashOf(SCRIPT)}; frame-ancestors 'none'`;

/** What a browser shows of an invitation's link. Its secret stands in the fragment, which does not come here. */
export function addJoinPage(app: FastifyInstance): void {
  app.get("/join", async (_request, reply) => reply.header("content-security-policy", POLICY).type("text/html; charset=utf-8").send(PAGE));
}
