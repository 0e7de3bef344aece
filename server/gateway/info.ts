import { create, type MessageShape } from "@bufbuild/protobuf";
import { limits, passwordSuite } from "@fastchat/protocol";
import { GatewayInfoSchema } from "@fastchat/protocol/wire/gateway";
import type { GatewayContext } from "./context.ts";

export const software = "fastchat/0.1.0";

export const info = (gateway: GatewayContext): MessageShape<typeof GatewayInfoSchema> =>
  create(GatewayInfoSchema, {
    product: "fastchat",
    software,
    versions: [...limits.protocolVersions],
    suites: [...limits.suites],
    passwordSuite: passwordSuite,
    invitationNeeded: gateway.signUp === "invitation",
    time: BigInt(Date.now()),
    singleSession: gateway.sessions === "single",
  });
