import type { AppendAccountLink } from "@fastchat/protocol/wire/frames";
import type { SignInFinished } from "@fastchat/protocol/wire/gateway";
import { toHex } from "@fastchat/protocol/seal";
import { expect } from "vitest";
import { anotherDevice } from "../person.ts";
import { changedServerFrame, type Script } from "../proxy.ts";
import { type EvilCase, warned } from "./case.ts";

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

export const stolenCases: readonly EvilCase[] = [revokedOnOldChain];
