import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";

/** Where `ip netns` keeps its names. */
const NAMES = "/run/netns";
const nameOf = (pid: number, number: number): string => `fastchat-${pid}-${number}`;
const NAME = /^fastchat-(\d+)-\d+$/;
/** Nobody's: what is sent there is dropped without a word. */
const NOBODY = "02:00:00:00:00:01";

/** A byte of the addresses. */
const MOST = 250;

/** A cable between us and the network: two addresses that reach each other and nothing else. */
export interface Cable {
  /** Ours. */
  readonly near: string;
  /** The network's. */
  readonly far: string;
  /** From now on nothing arrives in either direction, and nobody is told. */
  unplug(): void;
  plug(): void;
}

/**
 * A network of its own, in which a process runs as on another host: Linux's network namespaces, which take root and the `ip` command. What is cut off
 * is so as on a wire: packets vanish, also those that would open a connection.
 */
export class OwnNetwork implements Disposable {
  readonly #name: string;
  readonly #number: number;
  #cables = 0;

  /** @param number unique in this process, below `MOST` */
  constructor(number: number) {
    this.#number = number;
    this.#name = nameOf(process.pid, number);
    removeLeft();
    run("ip", "netns", "add", this.#name);
    process.once("exit", this.#remove);
    this.#inside("ip", "link", "set", "lo", "up");
  }

  /** Whether this user may make one here. */
  static isPossible(): boolean {
    try {
      using network = new OwnNetwork(MOST);
      network.cable();
      return true;
    } catch {
      return false;
    }
  }

  /** What stands before a command that is to run in it. */
  get command(): readonly string[] {
    return ["ip", "netns", "exec", this.#name];
  }

  cable(): Cable {
    const place = (this.#cables += 1);
    const [near, far] = [`10.77.${this.#number}.${4 * place + 1}`, `10.77.${this.#number}.${4 * place + 2}`];
    const [ours, its] = [`fc${process.pid}-${this.#number}${place}`, `fc${place}`];
    run("ip", "link", "add", ours, "type", "veth", "peer", "name", its, "netns", this.#name);
    run("ip", "address", "add", `${near}/30`, "dev", ours);
    run("ip", "link", "set", ours, "up");
    this.#inside("ip", "address", "add", `${far}/30`, "dev", its);
    this.#inside("ip", "link", "set", its, "up");
    return {
      near,
      far,
      unplug: () => {
        run("ip", "neighbour", "replace", far, "lladdr", NOBODY, "dev", ours, "nud", "permanent");
        this.#inside("ip", "neighbour", "replace", near, "lladdr", NOBODY, "dev", its, "nud", "permanent");
      },
      plug: () => {
        run("ip", "neighbour", "delete", far, "dev", ours);
        this.#inside("ip", "neighbour", "delete", near, "dev", its);
      },
    };
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#remove);
    this.#remove();
  }

  #inside(...command: string[]): void {
    run(...this.command, ...command);
  }

  /** With its cables. */
  readonly #remove = (): void => {
    if (existsSync(`${NAMES}/${this.#name}`)) run("ip", "netns", "delete", this.#name);
  };
}

function run(...[command, ...args]: readonly string[]): void {
  execFileSync(command!, args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** Of processes that were killed. */
function removeLeft(): void {
  if (!existsSync(NAMES)) return;
  for (const name of readdirSync(NAMES)) {
    const [, pid] = NAME.exec(name) ?? [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) run("ip", "netns", "delete", name);
  }
}
