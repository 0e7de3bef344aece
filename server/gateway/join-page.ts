import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";

const STYLE = `body { max-width: 40rem; margin: 4rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color-scheme: light dark }
code { padding: .1em .3em; background: #8882; border-radius: .2em }`;
const STYLE_HASH = createHash("sha256").update(STYLE).digest("base64");

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Invitation to a FastChat group</title>
<style>${STYLE}</style>
<h1>You are invited to a group</h1>
<p>Copy the whole link from the address of this page, with what stands behind <code>#</code>: that is the invitation, and no
server has seen it. Whoever has the link can ask to join, so do not show it around.</p>
<ol>
<li>Open FastChat, signed in to this server.</li>
<li>Type <code>/join</code> and the link, or run <code>fastchat group join</code> with the link between quotes.</li>
</ol>
</html>
`;

/** What a browser shows of an invitation's link [C7]. Its secret stands in the fragment, which does not come here; the page runs nothing. */
export function addJoinPage(app: FastifyInstance): void {
  app.get("/join", async (_request, reply) =>
    reply
      .header("content-security-policy", `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; frame-ancestors 'none'`)
      .type("text/html; charset=utf-8")
      .send(PAGE),
  );
}
