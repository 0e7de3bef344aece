import type { GroupPolicyChange, GroupRole, NewGroup } from "@fastchat/client";
import fc from "fast-check";

/** People are numbers here; who they are is the cast's matter. `whom` counts round those whom it may concern. */
export const PEOPLE = 5;

export type Operation =
  | { readonly kind: "add"; readonly whom: number; readonly role: GroupRole }
  | { readonly kind: "remove"; readonly whom: number }
  | { readonly kind: "role"; readonly whom: number; readonly role: GroupRole }
  | { readonly kind: "leave"; readonly successor: number | undefined }
  | { readonly kind: "rename" }
  | { readonly kind: "policy"; readonly change: GroupPolicyChange }
  /** Makes an invitation and tells its link to somebody, who asks to join. */
  | { readonly kind: "invite"; readonly whom: number; readonly uses: number }
  | { readonly kind: "send"; readonly count: number }
  | { readonly kind: "read" }
  | { readonly kind: "away" }
  | { readonly kind: "back" }
  /** All wait until what was begun so far is done. */
  | { readonly kind: "pause" };

/** Of whole accounts: these take a second, and every account may do few of them. */
export type DeviceOperation = { readonly kind: "new-device" } | { readonly kind: "revoke-device" };

export interface Step {
  /** Counted round among those who seem to be in the group; where `strays`, among all. */
  readonly by: number;
  /** It asks what is senseless or not allowed as often as not: who is no member, whom it does not concern. */
  readonly strays: boolean;
  /** Which of this person's devices does it, counted round. */
  readonly device: number;
  readonly operation: Operation | DeviceOperation;
  /** Milliseconds after the step before was begun. */
  readonly after: number;
}

export interface Scenario {
  /** Who is in it from the start; person 0 makes the group. */
  readonly members: readonly number[];
  readonly admins: readonly number[];
  readonly policy: NonNullable<NewGroup["policy"]>;
  readonly steps: readonly Step[];
  /** What the wire does to frames. */
  readonly wire: { readonly seed: number; readonly delayMs: number; readonly cutsPerThousand: number };
}

const somebody = fc.nat(PEOPLE - 1);
const role = fc.constantFrom<GroupRole>("member", "admin");
const who = fc.constantFrom("admins" as const, "members" as const);

const policy = fc.oneof(
  fc.record({ mayAdd: who }),
  fc.record({ mayWrite: who }),
  fc.record({ mayChangeProfile: who }),
  fc.record({ newcomersRead: fc.constantFrom("nothing-older" as const, "everything" as const, "now" as const) }),
  fc.record({ joining: fc.constantFrom("at-once" as const, "asks" as const) }),
);

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("send" as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("add" as const), whom: somebody, role }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("remove" as const), whom: somebody }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("role" as const), whom: somebody, role }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("leave" as const), successor: fc.option(somebody, { nil: undefined }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: "rename" as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("policy" as const), change: policy }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("invite" as const), whom: somebody, uses: fc.integer({ min: 1, max: 2 }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: "read" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "away" as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: "back" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "pause" as const }) },
);

const deviceOperation: fc.Arbitrary<Operation | DeviceOperation> = fc.oneof(
  { weight: 8, arbitrary: operation },
  { weight: 1, arbitrary: fc.constant({ kind: "new-device" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "revoke-device" as const }) },
);

const some = (least: number): fc.Arbitrary<number[]> =>
  fc.uniqueArray(fc.integer({ min: 1, max: PEOPLE - 1 }), { minLength: least, maxLength: PEOPLE - 1 });

/** A group's creation changes no key: "now" has no meaning there. */
const firstPolicy = policy.map((change) => ("newcomersRead" in change && change.newcomersRead === "now" ? {} : change));

const scenarioOf = (operations: fc.Arbitrary<Operation | DeviceOperation>): fc.Arbitrary<Scenario> =>
  fc.record({
    members: some(2),
    admins: some(1),
    policy: fc.oneof(fc.constant({}), firstPolicy),
    steps: fc.array(
      fc.record({
        by: somebody,
        strays: fc.integer({ min: 0, max: 9 }).map((of) => of === 9),
        device: fc.nat(1),
        operation: operations,
        after: fc.oneof(fc.constant(0), fc.nat(20)),
      }),
      { minLength: 8, maxLength: 32, size: "max" },
    ),
    wire: fc.record({ seed: fc.nat(), delayMs: fc.constantFrom(0, 5, 25), cutsPerThousand: fc.constantFrom(0, 0, 4, 15) }),
  });

export const scenarios = scenarioOf(operation);
/** With devices that come and are revoked. */
export const deviceScenarios = scenarioOf(deviceOperation);
