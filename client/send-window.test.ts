import fc from "fast-check";
import { expect, test } from "vitest";
import { comeDown, done, emptyWindow, enqueue, land, needsMending, putBack, type Queued, takeOff } from "./send-window.ts";

/** The server's part of the dance: after a refusal it holds everything back until `resume`; it knows ids it has. */
function server() {
  const log: string[] = [];
  let holding = false;
  return {
    log,
    take(id: string, resume: boolean, refuse: boolean): "sent" | "refused" {
      if (resume) holding = false;
      if (holding) return "refused";
      if (log.includes(id)) return "sent";
      if (refuse) {
        holding = true;
        return "refused";
      }
      log.push(id);
      return "sent";
    },
    newSocket() {
      holding = false;
    },
  };
}

test("everything is sent once and in order, whatever is refused, lost or answered late", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 8 }),
      fc.array(
        fc.record({
          what: fc.constantFrom("answer", "answer", "answer", "lose", "move", "put-back"),
          refuse: fc.boolean(),
          pick: fc.nat(),
        }),
        {
          maxLength: 200,
        },
      ),
      (count, size, steps) => {
        const ids = Array.from({ length: count }, (_, order): Queued<string> => ({ id: `m${order}`, order }));
        const other = server();
        let window = enqueue(emptyWindow<string>(size), ids);
        // On the wire: sends the server has not read; its answers that the client has not read.
        let onTheWay: { id: string; resume: boolean }[] = [];
        let answers: { id: string; landing: "sent" | "refused" }[] = [];
        const pump = () => {
          const off = takeOff(window);
          window = off.window;
          off.items.forEach(({ id }, index) => onTheWay.push({ id, resume: off.resume && index === 0 }));
        };
        const calm = { what: "answer" as const, refuse: false, pick: 0 };
        pump();
        for (const { what, refuse, pick } of [...steps, ...Array.from({ length: 3 * count + 3 }, () => calm)]) {
          if (what === "lose") {
            // Of what is on the way the server still reads a part.
            for (const { id, resume } of onTheWay.slice(0, pick % (onTheWay.length + 1))) other.take(id, resume, refuse);
            onTheWay = [];
            answers = [];
            other.newSocket();
            window = comeDown(window);
          } else if (what === "move") {
            // What took off meanwhile waits on this side until everything before it was answered, and the other server knows of no refusal.
            const late: string[] = [];
            for (const { id, resume } of onTheWay.splice(0)) answers.push({ id, landing: other.take(id, resume, refuse) });
            while (answers.length > 0) {
              const [answer] = answers.splice(pick % answers.length, 1);
              window = land(window, answer!.id, answer!.landing);
              const off = takeOff(window);
              window = off.window;
              late.push(...off.items.map(({ id }) => id));
            }
            other.newSocket();
            for (const id of late) window = land(window, id, "refused");
          } else if (what === "put-back") {
            // Sealed while the socket changed: none of them leaves; in between they may have come down with all others.
            for (const { id, resume } of onTheWay.splice(0)) answers.push({ id, landing: other.take(id, resume, refuse) });
            for (const { id, landing } of answers.splice(0)) window = land(window, id, landing);
            const off = takeOff(window);
            window = pick % 2 === 0 ? off.window : comeDown(off.window);
            window = putBack(window, off.items, off.resume);
            other.newSocket();
          } else {
            for (const { id, resume } of onTheWay.splice(0)) answers.push({ id, landing: other.take(id, resume, refuse) });
            // Acknowledgements and refusals may overtake each other.
            while (answers.length > 0) {
              const [answer] = answers.splice(pick % answers.length, 1);
              window = land(window, answer!.id, answer!.landing);
            }
          }
          expect(window.flying.length).toBeLessThanOrEqual(size);
          pump();
        }
        expect(other.log).toEqual(ids.map(({ id }) => id));
        expect(window).toMatchObject({ queue: [], flying: [] });
      },
    ),
    { numRuns: 500 },
  );
});

test("after a refusal nothing takes off until all has landed, and then the first resumes", () => {
  const ids = ["a", "b", "c", "d"].map((id, order) => ({ id, order }));
  let { window } = takeOff(enqueue(emptyWindow<string>(3), ids));
  window = land(window, "b", "refused");
  expect(takeOff(window).items).toEqual([]);
  window = land(land(window, "a", "sent"), "c", "refused");
  expect(needsMending(window)).toBe(true);
  const off = takeOff(window);
  expect(off.items.map(({ id }) => id)).toEqual(["b", "c", "d"]);
  expect(off.resume).toBe(true);
});

test("what was refused for good holds back those behind it until they resume", () => {
  let { window } = takeOff(
    enqueue(
      emptyWindow<string>(3),
      ["a", "b"].map((id, order) => ({ id, order })),
    ),
  );
  window = land(land(window, "a", "refused-for-good"), "b", "refused");
  const off = takeOff(window);
  expect(off.items.map(({ id }) => id)).toEqual(["b"]);
  expect(off.resume).toBe(true);
});

test("[D1] an item whose entry is found in the log is done, whether it waits or flies", () => {
  // As at a start: the log brings what was sent before the last end, while the outbox still holds it.
  const ids = ["a", "b", "c"].map((id, order) => ({ id, order }));
  let { window } = takeOff(enqueue(emptyWindow<string>(1), ids));
  window = done(window, ["a", "b"]);
  const off = takeOff(window);
  expect(off.items.map(({ id }) => id)).toEqual(["c"]);
  expect(land(off.window, "c", "sent")).toMatchObject({ queue: [], flying: [] });
});
