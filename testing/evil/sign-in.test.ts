import { play } from "./case.ts";
import { signInCases } from "./sign-in.ts";

play(signInCases);
