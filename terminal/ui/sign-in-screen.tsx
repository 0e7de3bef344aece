import { setTimeout } from "node:timers/promises";
import { useWindowSize } from "ink";
import { useRef, useState } from "react";
import type { Client, QuickOptions, QuickResult, SignInResult, SignUpResult } from "@fastchat/client";
import { signIn, signUp } from "@fastchat/client/node";
import { elsewhereWords, othersShutOut } from "../elsewhere.ts";
import { isUnreachable, refusedWith } from "../failure.ts";
import { checkedProfile } from "../place.ts";
import { Screen, useKeys } from "./screen.tsx";
import {
  type SignInEffect,
  type SignInState,
  type SignInStep,
  answered,
  askedElsewhere,
  initialSignIn,
  pressSignIn,
  stopped,
  signInFrame,
  typeSignIn,
  waiting,
} from "./sign-in.ts";
import { sentenceOf } from "./store.ts";

export interface SignedIn {
  /** Its name, or a QuickChat session, which has none. */
  readonly in: string | Client;
  /** To be said once. */
  readonly remark: string | undefined;
}

interface Props {
  readonly home: string;
  /** Undefined: the profile is named as the person. */
  readonly profile: string | undefined;
  readonly name: string;
  readonly gateway: string;
  readonly colour: boolean;
  /** Whether somebody is signed in here, to whom quitting goes back. */
  readonly back: boolean;
  /** Undefined: into a profile. */
  readonly openQuick: ((options: QuickOptions) => Promise<QuickResult>) | undefined;
  /** Undefined: the person quit. */
  readonly onDone: (result: SignedIn | undefined) => void;
}

type Submit = Extract<SignInEffect, { kind: "submit" }>;

const RETRY_MS = 2_000;
const DONE_BEFORE = "You were signed in before it could be stopped.";

export function SignInScreen({ home, profile, name, gateway, colour, back, openQuick, onDone }: Props) {
  const { columns, rows } = useWindowSize();
  const [shown, setShown] = useState<SignInState>(() => initialSignIn(name, openQuick && "quick", back));
  // Several keys can come before the next render: each must see what the one before it did.
  const state = useRef(shown);
  const attempt = useRef(new AbortController());
  /** The person went elsewhere: nothing that comes now is shown here. */
  const isOver = useRef(false);
  const chosen = useRef("");

  const become = (next: SignInState): void => {
    state.current = next;
    setShown(next);
  };

  const submit = async ({ mode, name: person, password, signOutOthers }: Submit): Promise<void> => {
    attempt.current = new AbortController();
    const { signal: stops } = attempt.current;
    const options = { gateway, name: person, password };
    const enter = (): Promise<QuickResult | SignInResult | SignUpResult> => {
      if (openQuick !== undefined) return openQuick({ ...options, signOutOthers });
      const place = { home, profile: checkedProfile(profile ?? person) };
      chosen.current = place.profile;
      return mode === "sign-up" ? signUp(place, options) : signIn(place, { ...options, signOutOthers });
    };
    for (;;) {
      try {
        const result = await enter();
        if (isOver.current) return;
        // What was done is done, and said; but for a session that leaves nothing.
        if (stops.aborted && result.kind === "open") {
          await result.client.close();
          return become(stopped(state.current));
        }
        const late = stops.aborted ? DONE_BEFORE : undefined;
        const remark = "others" in result && result.others === "shut-out" ? othersShutOut : late;
        if (result.kind === "open") return onDone({ in: result.client, remark });
        if (result.kind === "signed-in") return onDone({ in: chosen.current, remark });
        if (result.kind === "already-signed-in") return become(askedElsewhere(state.current, elsewhereWords(result.devices, Date.now())));
        if (result.kind === "signed-up")
          return become({ ...state.current, busy: false, answer: undefined, recoveryWords: result.recoveryWords });
        if (result.kind === "weak-password")
          return become(
            answered(state.current, {
              text: `That password is too easy to guess: take a longer one, for example "${result.suggestion}".`,
              tone: "advice",
            }),
          );
        // "Sorry, no services available" goes on by itself.
        const refusal = refusedWith(result);
        if (!isUnreachable(refusal)) return become(answered(state.current, { text: refusal.row.sentence, tone: "error" }));
      } catch (error) {
        if (isOver.current) return;
        if (!isUnreachable(error)) return become(answered(state.current, { text: sentenceOf(error), tone: "error" }));
      }
      if (!stops.aborted) become(waiting(state.current, "Sorry, no services available"));
      await setTimeout(RETRY_MS, undefined, { signal: stops }).catch(() => undefined);
      if (isOver.current) return;
      if (stops.aborted) return become(stopped(state.current));
    }
  };

  const take = ({ state: next, effect }: SignInStep): void => {
    become(next);
    switch (effect?.kind) {
      case undefined:
        return;
      case "submit":
        void submit(effect);
        return;
      case "cancel":
        attempt.current.abort();
        return;
      case "go-on":
        return onDone({ in: chosen.current, remark: undefined });
      case "quit":
        // Whoever is signed up already stays it.
        isOver.current = true;
        attempt.current.abort();
        return onDone(undefined);
      default:
        return effect satisfies never;
    }
  };

  useKeys(
    (key) => take(pressSignIn(state.current, key)),
    (text) => take(typeSignIn(state.current, text)),
  );
  return <Screen frame={signInFrame(shown, columns, rows, gateway)} colour={colour} />;
}
