// [P1] What both sides of the password exchange, OPAQUE (RFC 9807) with ristretto255 and SHA-512, must do alike.

/** The server names the number alone; the parameters stand here, and nothing else is accepted. */
export const passwordSuite = 1;

/** Argon2id as RFC 9106, section 4, recommends where memory is scarce: 64 MiB (in KiB), 3 passes, 4 lanes. */
export const passwordStretching = { "argon2id-custom": { memory: 65_536, iterations: 3, parallelism: 4 } } as const;

/** Bound into every registration and sign-in. `name`: as `parseName` gives it. */
export const passwordIdentifiers = (name: string) => ({ client: name, server: "fastchat" });
