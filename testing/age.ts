import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import pty from "@lydell/node-pty";

/** The `age` program, by others than the library that writes our archives; undefined where the machine has none (Debian: `apt-get install age`). */
export const ageProgram = (): AgeProgram | undefined => (spawnSync("age", ["--version"]).status === 0 ? new AgeProgram() : undefined);

export class AgeProgram {
  /** Makes a key pair, keeps the secret in a file, and gives the recipient. */
  makeKey(file: string): string {
    spawnSync("age-keygen", ["-o", file]);
    return /^# public key: (age1\S+)$/mu.exec(readFileSync(file, "utf8"))![1]!;
  }

  /** Decrypts for whoever has the key in this file. Gives the exit code. */
  decryptWithKey(key: string, from: string, to: string): number | null {
    return spawnSync("age", ["--decrypt", "--identity", key, "--output", to, from]).status;
  }

  /** Decrypts with a passphrase, which it takes from a terminal alone. Gives the exit code. */
  async decryptWithPassphrase(passphrase: string, from: string, to: string): Promise<number> {
    const terminal = pty.spawn("age", ["--decrypt", "--output", to, from], { env: process.env as Record<string, string> });
    let shown = "";
    let isTyped = false;
    terminal.onData((data) => {
      shown += data;
      if (isTyped || !/passphrase/iu.test(shown)) return;
      isTyped = true;
      terminal.write(`${passphrase}\r`);
    });
    return new Promise((resolve) => terminal.onExit(({ exitCode }) => resolve(exitCode)));
  }
}
