import { byName, socketsOf, type Strategy } from "./strategy.ts";

/**
 * Of two at random the one with fewer sockets. Nearly as even as the fewest of all, and where heartbeats are old or gateways many, they do not all
 * send everybody to the same one (Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001).
 */
export const powerOfTwo: Strategy = (candidates, random) => {
  const listed = byName(candidates);
  const count = listed.length;
  if (count < 2) return listed[0];
  // One of the count * (count - 1) ordered pairs: of equals the first is taken, which either is as often.
  const pair = Math.floor(random * count * (count - 1));
  const one = listed[Math.floor(pair / (count - 1))]!;
  const place = pair % (count - 1);
  const other = listed[place < listed.indexOf(one) ? place : place + 1]!;
  return socketsOf(other) < socketsOf(one) ? other : one;
};
