import { encodeHints, type Hint } from "../bus/hint.ts";
import type { GatewayContext } from "./context.ts";

/** Tells the chat servers. Hints may get lost: what a gateway cannot tell now shows with the next connection. */
export async function tellHints({ bus }: Pick<GatewayContext, "bus">, hints: readonly Hint[]): Promise<void> {
  for (const payload of encodeHints({ run: "gateway", heads: new Map(), hints, largest: bus.payloadBytes, number: () => 0 })) {
    await bus.publish(payload).catch(() => undefined);
  }
}
