/** How often hints of others were missed so far, at all of these chat servers. */
export async function missedHints(servers: readonly { readonly port: number }[]): Promise<number> {
  const texts = await Promise.all(servers.map(async ({ port }) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()));
  return texts.reduce((sum, text) => sum + Number(/^fastchat_missed_hints_total (\d+)$/m.exec(text)?.[1]), 0);
}
