import type { CrowdPlan, CrowdWord, EncryptedPlan, ParentWord, Work } from "./plan.ts";
import type { Tally } from "./tally.ts";

/** The people of one process. */
export interface RunningCrowd {
  readonly tally: Tally;
  /** They come; all who are not away are there when it resolves. */
  enter(): Promise<void>;
  begin(work: Work): void;
  stop(): void;
  /** What else they may be told. Throws for what is not theirs. */
  act(word: Exclude<ParentWord, { readonly kind: "plan" | "begin" | "stop" | "report" | "end" }>): Promise<void>;
  /** They go. */
  leave(): Promise<void>;
}

/** This process, which was `fork`ed, has a crowd in it, and does what it is told by who started it: first a plan. */
export function serveCrowd<Plan extends CrowdPlan | EncryptedPlan>(make: (plan: Plan) => RunningCrowd): void {
  let crowd: RunningCrowd | undefined;
  const tell = (word: CrowdWord) => process.send!(word);
  const tellWhenDone = (work: Promise<void>): void =>
    void work.then(
      () => tell({ kind: "done" }),
      (error: unknown) => tell({ kind: "failed", reason: error instanceof Error ? error.message : String(error) }),
    );
  process.on("message", (word: ParentWord) => {
    switch (word.kind) {
      case "plan":
        crowd = make(word.plan as Plan);
        return tellWhenDone(crowd.enter());
      case "begin":
        return crowd!.begin(word.work);
      case "stop":
        return crowd!.stop();
      case "report":
        tell(crowd!.tally.report());
        return;
      case "end":
        crowd!.stop();
        void crowd!.leave().finally(() => process.disconnect?.());
        return;
      case "arrive":
      case "storm":
      case "catch-up":
      case "meet":
      case "read":
      case "close":
      case "sign-in":
      case "leave-for-good":
        return tellWhenDone(crowd!.act(word));
      default:
        word satisfies never;
    }
  });
  // Ctrl-C reaches all processes of a terminal: who started this one ends it.
  process.on("SIGINT", () => undefined);
  process.on("disconnect", () => process.exit());
}
