import { expect, test } from "vitest";
import type { Bus } from "./bus.ts";

/** What every bus must pass; `open` gives another end of the same bus, `interrupt` cuts all connections once. */
export function busContract(name: string, open: () => Promise<Bus>, interrupt: () => Promise<void>): void {
  const listen = (bus: Bus) => {
    const heard: string[] = [];
    let interruptions = 0;
    bus.subscribe({ message: (payload) => heard.push(payload), interrupted: () => (interruptions += 1) });
    return { heard, interruptions: () => interruptions };
  };
  const until = async (holds: () => boolean): Promise<void> => {
    for (let tries = 0; !holds(); tries++) {
      if (tries > 500) throw new Error("it did not happen");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };

  test(`${name}: every other end hears payloads as published, in order`, async () => {
    await using one = await open();
    await using other = await open();
    await using third = await open();
    const ears = [listen(other), listen(third)];
    const payloads = [
      "",
      `ü "quoted" 'text' \\ ${"x".repeat(500)}`,
      "y".repeat(one.payloadBytes),
      ...Array.from({ length: 100 }, (_, index) => `${index}`),
    ];
    await Promise.all(payloads.map((payload) => one.publish(payload)));
    for (const { heard } of ears) {
      await until(() => heard.length === payloads.length);
      expect(heard).toEqual(payloads);
    }
  });

  test(`${name}: a subscriber is told after a time in which something may have been lost, and hears again`, async () => {
    await using one = await open();
    await using other = await open();
    const ear = listen(other);
    await interrupt();
    await until(() => ear.interruptions() === 1);
    await until(() => {
      void one.publish("again").catch(() => undefined);
      return ear.heard.includes("again");
    });
  });

  test(`${name}: a payload that is too long is refused to the publisher alone`, async () => {
    await using one = await open();
    await using other = await open();
    const ear = listen(other);
    await expect(one.publish("x".repeat(one.payloadBytes * 4))).rejects.toThrow(/too long/);
    await one.publish("after");
    await until(() => ear.heard.length > 0);
    expect(ear.heard).toEqual(["after"]);
  });
}
