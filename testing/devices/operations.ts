import fc from "fast-check";
import type { Scenario as GroupScenario } from "../model/operations.ts";

/** Three people; who they are is the household's matter. */
export const PEOPLE = 3;

export type Operation =
  /** `to` counts round the conversations that this person is in: the group, and one with each of the others. */
  | { readonly kind: "send"; readonly to: number; readonly count: number }
  | { readonly kind: "read"; readonly to: number }
  | { readonly kind: "draft"; readonly to: number }
  | { readonly kind: "note"; readonly about: number }
  | { readonly kind: "name-device" }
  | { readonly kind: "away" }
  | { readonly kind: "back" }
  /** All wait until what was begun so far is done. */
  | { readonly kind: "pause" }
  /** The profile is kept somewhere, as it is at this moment. */
  | { readonly kind: "copy" }
  /** A device of which there is a copy is as it was then; `which` counts round those of this person, also those that are gone. */
  | { readonly kind: "restore"; readonly which: number }
  /** Its profile is gone, and nobody is told. */
  | { readonly kind: "wipe" }
  | { readonly kind: "sign-in" }
  | { readonly kind: "sign-out" }
  /** `which` counts round the other devices, also those that are gone. */
  | { readonly kind: "revoke"; readonly which: number }
  | { readonly kind: "change-password" }
  | { readonly kind: "recover" }
  | { readonly kind: "succeed" }
  | { readonly kind: "add"; readonly whom: number }
  | { readonly kind: "remove"; readonly whom: number };

export interface Step {
  readonly by: number;
  /** Which of this person's devices does it, counted round. */
  readonly device: number;
  readonly operation: Operation;
  /** Milliseconds after the step before was begun. */
  readonly after: number;
}

export interface Scenario {
  readonly newcomersRead: "nothing-older" | "everything";
  readonly steps: readonly Step[];
  readonly wire: GroupScenario["wire"];
}

const only = <Kind extends Operation["kind"]>(kind: Kind): fc.Arbitrary<{ kind: Kind }> => fc.constant({ kind });
const somebody = fc.nat(PEOPLE - 1);
const which = fc.nat(5);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("send" as const), to: somebody, count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("read" as const), to: somebody }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("draft" as const), to: somebody }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("note" as const), about: somebody }) },
  { weight: 1, arbitrary: only("name-device") },
  { weight: 2, arbitrary: only("away") },
  { weight: 3, arbitrary: only("back") },
  { weight: 2, arbitrary: only("pause") },
  { weight: 2, arbitrary: only("copy") },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("restore" as const), which }) },
  { weight: 1, arbitrary: only("wipe") },
  { weight: 2, arbitrary: only("sign-in") },
  { weight: 1, arbitrary: only("sign-out") },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("revoke" as const), which }) },
  { weight: 1, arbitrary: only("change-password") },
  { weight: 1, arbitrary: only("recover") },
  { weight: 1, arbitrary: only("succeed") },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("add" as const), whom: somebody }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), whom: somebody }) },
);

export const scenarios: fc.Arbitrary<Scenario> = fc.record({
  newcomersRead: fc.constantFrom("nothing-older" as const, "everything" as const),
  steps: fc.array(fc.record({ by: somebody, device: fc.nat(3), operation, after: fc.oneof(fc.constant(0), fc.nat(20)) }), {
    minLength: 10,
    maxLength: 28,
    size: "max",
  }),
  wire: fc.record({ seed: fc.nat(), delayMs: fc.constantFrom(0, 5, 25), cutsPerThousand: fc.constantFrom(0, 0, 4) }),
});
