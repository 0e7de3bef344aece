import { play } from "./case.ts";
import { chainCases } from "./chain.ts";

play(chainCases);
