import { OptionError, wholeNumber } from "../config.ts";

export type Role = "up" | "gateway" | "server";

/** Options as they were written; a role looks at its own. See docs/commands.md. */
export interface RoleWords {
  readonly port?: string | undefined;
  readonly data?: string | undefined;
  readonly servers?: string | undefined;
  readonly url?: string | undefined;
  readonly name?: string | undefined;
}

/**
 * Runs until it is told to stop; loads no more than that role needs. `program` is what runs a role in a process of its own: the `fastchat`
 * command. Throws OptionError for an option, else errors whose message is a sentence for people.
 */
export async function runRole(role: Role, words: RoleWords, program: string): Promise<void> {
  const { data, url, name } = words;
  const port = wholeNumber("--port", words.port, OptionError);
  switch (role) {
    case "up":
      return (await import("./up.ts")).runUp({ program, port, data, url, servers: wholeNumber("--servers", words.servers, OptionError) });
    case "gateway":
      return (await import("./role-gateway.ts")).runGateway({ port, data });
    case "server":
      return (await import("./role-server.ts")).runServer({ port, data, url, name });
    default:
      return role satisfies never;
  }
}
