const FIRST_MS = 250;
const LARGEST_MS = 15_000;

/**
 * Milliseconds to wait before the given attempt (1: the first repetition): exponential with full jitter, so that clients
 * which lost one server together do not come back together.
 *
 * @param random in [0, 1)
 * @param least what the server asked for, in milliseconds
 */
export function backoff(attempt: number, random: number, least = 0): number {
  const ceiling = Math.min(LARGEST_MS, FIRST_MS * 2 ** Math.min(attempt - 1, 20));
  return least + Math.floor(random * ceiling);
}
