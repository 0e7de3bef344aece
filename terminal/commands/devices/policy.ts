import type { SessionPolicy } from "@fastchat/client";
import { exitCodes, Failure, usage } from "../../failure.ts";
import { needOnline } from "../../place.ts";
import { safeLine } from "../../safe-text.ts";
import { signedInCommand } from "../signed-in-command.ts";

export const policy = signedInCommand({
  name: "policy",
  description: "On how many devices your account may be signed in at a time",
  example: "single",
  args: { sessions: { type: "positional", required: false, description: "many or single; without it the policy is shown" } },
  waitsFor: "nothing",
  async run({ client, output, patience }, args) {
    await needOnline(client, patience);
    const wanted = args.sessions;
    if (wanted !== undefined && wanted !== "many" && wanted !== "single")
      throw usage(`"${safeLine(wanted)}" is no policy: write many or single.`);
    const before = await client.sessionPolicy();
    if (wanted === "many" && before.server === "single")
      throw new Failure(
        exitCodes.refused,
        "server-policy",
        "This server lets every account be signed in on one device at a time: ask whoever runs it.",
      );
    if (wanted !== undefined) await client.setSessionPolicy(wanted);
    const after: SessionPolicy = { ...before, ...(wanted !== undefined && { account: wanted }) };
    const others = (await client.devices()).filter(({ me, state }) => !me && state === "active").length;
    await output.print({ type: "session-policy", ...after }, policyWords(after, wanted === undefined ? 0 : others));
  },
});

/** @param others devices beside this one that are signed in, where that is worth saying */
export function policyWords({ account, server }: SessionPolicy, others = 0): string {
  if (account === "many" && server === "many") return "Your account may be signed in on many devices at a time.";
  const by = server === "single" ? ", as this server has it" : "";
  const stay = others === 0 ? "" : " Those that are signed in now stay until the next sign-in.";
  return `Your account may be signed in on one device at a time${by}: whoever signs in elsewhere is told, and may sign out here.${stay}`;
}
