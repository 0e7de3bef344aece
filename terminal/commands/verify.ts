import { confirm } from "../ask.ts";
import { safeLine, safeName } from "../safe-text.ts";
import { signedInCommand } from "./signed-in-command.ts";

export const verify = signedInCommand({
  name: "verify",
  description: "Show the safety number of you and somebody, to compare over another channel",
  args: {
    name: { type: "positional", required: true, description: "Whose safety number" },
    yes: { type: "boolean", description: "The numbers are the same: mark as verified on all your devices" },
  },
  waitsFor: "server",
  async run({ client, output }, args) {
    const name = args.name.toLowerCase();
    const number = await client.safetyNumber(name);
    const { digits, words, code } = number;
    if (args.yes === true) await client.setVerified(name, true);
    const verification = args.yes === true ? "verified" : number.verification;
    const groups = safeLine(digits).split(" ");
    const rows = [0, 6].map((at) => `    ${groups.slice(at, at + 6).join(" ")}`);
    const state = {
      verified: "Verified.",
      "not-verified": "Not verified yet.",
      changed: "The identity has changed since it was last verified or used!",
    }[verification];
    await output.print(
      { type: "safety-number", name, digits, words, code, verification },
      [
        `Safety number of you and ${safeName(name)}:`,
        "",
        ...rows,
        "",
        `    ${safeLine(words)}`,
        "",
        `Compare it by voice or in person. ${state}`,
      ].join("\n"),
    );
    if (args.yes === true || output.json || verification === "verified") return;
    if (await confirm("Are the two the same?")) {
      await client.setVerified(name, true);
      output.remark(`${name} is verified now, on all your devices.`);
    }
  },
});
