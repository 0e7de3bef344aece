import type { AppendAccountLink } from "@fastchat/protocol/wire/frames";
import type { SignInFinished } from "@fastchat/protocol/wire/gateway";
import { idBytes, limits } from "@fastchat/protocol";
import { toHex } from "@fastchat/protocol/seal";
import { expect } from "vitest";
import { anotherDevice } from "../person.ts";
import { changedServerFrame, type Script } from "../proxy.ts";
import { type EvilCase, type Stage, until, warned } from "./case.ts";
import { DeviceSecrets } from "./secrets.ts";
import { RawSocket } from "../raw-device.ts";
import { Gateway } from "../../client/gateway.ts";
import { withoutUncaught } from "./uncaught.ts";

/** What the server does with a device that was stolen, and with what it signed. */
const revokedOnOldChain: EvilCase = {
  attack: "rollback of the own chain: a revocation that would give the new account key to a revoked device",
  rules: "[G5] [P1] [H3]",
  async run(stage) {
    const { alice, bob } = await stage.acquaintances();
    const thief = stage.use(await anotherDevice(stage.system, alice, { profile: `${alice.profile}-thief` }));
    const third = stage.use(await anotherDevice(stage.system, alice, { profile: `${alice.profile}-third` }));
    let old: Pick<SignInFinished, "links" | "wraps" | "accountPublicKey"> | undefined;
    let sealingKeys: Uint8Array[] = [];
    const sent: AppendAccountLink[] = [];
    const toServer: Script["toServer"] = (frame) => {
      if (frame.body.case === "appendAccountLink") sent.push(frame.body.value);
      return frame;
    };
    stage.proxy.script = {
      toServer,
      posts: {
        "/v1/sign-in/finish": (answer) => {
          old ??= { links: answer.links, wraps: answer.wraps, accountPublicKey: answer.accountPublicKey };
          return answer;
        },
      },
      toClient: (frame) => {
        if (frame.body.case === "account" && frame.body.value.deviceSealingKeys.length > sealingKeys.length)
          sealingKeys = frame.body.value.deviceSealingKeys.map((key) => Uint8Array.from(key));
        return frame;
      },
    };
    await alice.client.revokeDevices(alice.password, [thief.me.device]);
    expect(sent).toHaveLength(1);
    stage.proxy.script = {
      toServer,
      posts: { "/v1/sign-in/finish": (answer) => ({ ...answer, ...old }) },
      toClient: (frame) => {
        if (frame.body.case !== "account" || frame.body.value.deviceSealingKeys.length === 0) return frame;
        return changedServerFrame(frame, { case: "account", value: { ...frame.body.value, deviceSealingKeys: sealingKeys } });
      },
    };
    await expect(alice.client.revokeDevices(alice.password, [third.me.device])).rejects.toThrow(/another history/);
    // Nothing at all was made on the old chain.
    expect(sent.slice(1).flatMap(({ attachments }) => attachments!.copies.map(({ device }) => toHex(device)))).toEqual([]);
    await warned(alice, "account-fork");
    stage.proxy.script = {};
    await alice.client.revokeDevices(alice.password, [third.me.device]);
    await stage.honestTalk(alice, bob);
  },
};

/** Alice's device that was stolen, closed, with what was in it; it has been heard of in the conversation. */
async function stolenDevice(stage: Stage) {
  const { alice, bob, conversation } = await stage.acquaintances({ ownBob: true });
  const stolen = stage.use(await anotherDevice(stage.system, alice, { profile: `${alice.profile}-stolen` }));
  await stolen.say(bob.name, "still mine");
  await alice.hears(bob.name, "still mine");
  await stolen.client.close();
  return { alice, bob, conversation, secrets: await DeviceSecrets.take(stolen, conversation) };
}

const topmostSlot = (counter: number): EvilCase => ({
  attack: `a stolen device's receipt with the counter ${counter}, which none can follow`,
  rules: "[S5]",
  async run(stage) {
    const { alice, bob, conversation, secrets } = await stolenDevice(stage);
    const slot = await secrets.slot(counter);
    await withoutUncaught(async () => {
      // The honest server takes it while nobody knows that the device is stolen.
      const gateway = new Gateway(stage.system.gatewayUrl);
      const { device } = secrets.profile.me;
      await using socket = await RawSocket.signedIn({
        name: alice.name,
        profile: secrets.profile,
        ticket: () => gateway.ticket(device, secrets.profile.signingSeed, []),
      });
      await socket.ask({ case: "writeSlot", value: { conversation: idBytes(conversation), slot } });
      await bob.say(alice.name, "before");
      await alice.hears(bob.name, "before");
      await alice.client.markRead(conversation, (await alice.client.conversation(conversation))!.head);
      await alice.client.revokeDevices(alice.password, [device]);
      await alice.reopen();
      // An evil one shows it again afterwards.
      stage.connectionOf(alice).push({ case: "slots", value: { conversation: idBytes(conversation), slots: [slot] } });
      await bob.say(alice.name, "read me");
      await alice.hears(bob.name, "read me");
      await alice.client.markRead(conversation, (await alice.client.conversation(conversation))!.head);
      await until(bob, "that it was read", async () =>
        (await bob.messages(alice.name)).find(({ text, status }) => text === "read me" && status === "read"),
      );
      await stage.honestTalk(alice, bob);
    });
  },
});

export const stolenCases: readonly EvilCase[] = [
  revokedOnOldChain,
  topmostSlot(limits.largestNumber - 1),
  topmostSlot(limits.largestNumber),
];
