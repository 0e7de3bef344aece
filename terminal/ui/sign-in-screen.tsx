import { useWindowSize } from "ink";
import { useRef, useState } from "react";
import { FastChatError } from "@fastchat/protocol";
import { signIn, signUp } from "@fastchat/client/node";
import { isUnreachable } from "../failure.ts";
import { checkedProfile } from "../place.ts";
import { Screen, useKeys } from "./screen.tsx";
import { type SignInState, type SignInStep, answered, initialSignIn, pressSignIn, signInFrame, typeSignIn, waiting } from "./sign-in.ts";
import { sentenceOf } from "./store.ts";

export interface SignedIn {
  readonly profile: string;
}

interface Props {
  readonly home: string;
  /** Undefined: the profile is named as the person. */
  readonly profile: string | undefined;
  readonly name: string;
  readonly gateway: string;
  readonly colour: boolean;
  /** Undefined: the person quit. */
  readonly onDone: (result: SignedIn | undefined) => void;
}

const RETRY_MS = 2_000;

export function SignInScreen({ home, profile, name, gateway, colour, onDone }: Props) {
  const { columns, rows } = useWindowSize();
  const [shown, setShown] = useState<SignInState>(() => initialSignIn(name));
  // Several keys can come before the next render: each must see what the one before it did.
  const state = useRef(shown);
  const attempt = useRef(0);
  const chosen = useRef("");

  const become = (next: SignInState): void => {
    state.current = next;
    setShown(next);
  };

  const submit = async (mode: SignInState["mode"], person: string, password: string): Promise<void> => {
    const mine = ++attempt.current;
    const options = { gateway, name: person, password };
    for (;;) {
      try {
        const place = { home, profile: checkedProfile(profile ?? person) };
        const result = mode === "sign-in" ? await signIn(place, options) : await signUp(place, options);
        if (mine !== attempt.current) return;
        chosen.current = place.profile;
        if (result.kind === "signed-in") return onDone({ profile: place.profile });
        if (result.kind === "signed-up")
          return become({ ...state.current, busy: false, answer: undefined, recoveryWords: result.recoveryWords });
        if (result.kind === "weak-password")
          return become(
            answered(state.current, {
              text: `That password is too easy to guess: take a longer one, for example "${result.suggestion}".`,
              tone: "advice",
            }),
          );
        // The same sentences as everywhere, and "Sorry, no services available" goes on by itself.
        const refusal = new FastChatError(result.code);
        if (!isUnreachable(refusal)) return become(answered(state.current, { text: refusal.row.sentence, tone: "error" }));
      } catch (error) {
        if (mine !== attempt.current) return;
        if (!isUnreachable(error)) return become(answered(state.current, { text: sentenceOf(error), tone: "error" }));
      }
      become(waiting(state.current, "Sorry, no services available"));
      await new Promise((again) => setTimeout(again, RETRY_MS));
      if (mine !== attempt.current) return;
    }
  };

  const take = ({ state: next, effect }: SignInStep): void => {
    become(next);
    switch (effect?.kind) {
      case undefined:
        return;
      case "submit":
        void submit(effect.mode, effect.name, effect.password);
        return;
      case "cancel":
        attempt.current++;
        return;
      case "go-on":
        return onDone({ profile: chosen.current });
      case "quit":
        // Whoever is signed up already stays it.
        attempt.current++;
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
