import { setTimeout as wait } from "node:timers/promises";
import type { ChatMessage, Client } from "@fastchat/client";
import { render } from "ink";
import { readConfig } from "../config.ts";
import { askTerminal } from "../pictures/ask.ts";
import { painted } from "../pictures/test-pictures.ts";
import { readKeymap } from "./keys.ts";
import { ChatScreen } from "./screen.tsx";
import { startStore } from "./store.ts";
import { bluish, fileCalled, me, message, withBob } from "./test-state.ts";

// Alice's chat with bob, who sent pictures, without a server: for tests in real terminals.

const LATE_MS = 150;

const scene = fileCalled("scene.jpg", "image/jpeg", { width: 900, height: 600, thumbhash: bluish });
const ball = fileCalled("ball.webp", "image/webp", { width: 400, height: 400 });

const items: readonly ChatMessage[] = [
  message(withBob, 1, "Where are you?"),
  message(withBob, 2, "In the mountains", { files: [scene] }),
  message(withBob, 3, "And with a ball:"),
  message(withBob, 4, "", { files: [ball] }),
  message(withBob, 5, "Nice?", { mine: true }),
];

/** A sky, a sun, a mountain and a meadow; or a ball on nothing. */
function paint(name: string, width: number, height: number): ReturnType<typeof painted> {
  return painted(width, height, (x, y) => {
    const [across, down] = [(x + 0.5) / width, (y + 0.5) / height];
    if (name === ball.name) {
      const [right, below] = [across * 2 - 1, down * 2 - 1];
      const light = Math.max(0, 1 - Math.hypot(right + 0.35, below + 0.35) / 1.5);
      return [60 + 195 * light, 20 + 120 * light, 30 + 90 * light, right * right + below * below < 0.95 ? 255 : 0].map(Math.round) as never;
    }
    if (down > 0.8 + 0.05 * Math.sin(across * 9)) return [40, 90 + Math.round(40 * across), Math.round(120 * down)];
    if (down > 0.35 + 1.1 * Math.abs(across - 0.6)) return [70, 80, Math.round(100 + 40 * down)];
    if (Math.hypot((across - 0.2) * 1.5, down - 0.3) < 0.12) return [255, 244, 200];
    return [Math.round(60 + 190 * down), Math.round(110 + 70 * down), Math.round(190 - 60 * down)];
  });
}

const client = {
  me,
  quick: false,
  connection: { kind: "online", server: "chat-1", since: Date.now() },
  get serverTime() {
    return Date.now();
  },
  conversation: async () => withBob,
  conversations: async () => [withBob],
  requests: async () => ({ count: 0, conversations: [] }),
  people: async () => [],
  watchPresence: async () => undefined,
  caughtUp: async () => undefined,
  items: async () => ({ items, more: false }),
  openDirect: async () => withBob.id,
  markRead: async () => undefined,
  setDraft: async () => undefined,
  setTyping: async () => undefined,
  subscribe: () => () => undefined,
} as unknown as Client;

process.stdin.setRawMode(true);
const { pictures, colour } = readConfig();
const pictureTerminal = await askTerminal(pictures, process.stdin, process.stdout);
const ink = render(<></>, { alternateScreen: true, incrementalRendering: true, exitOnCtrlC: false, interactive: true, maxFps: 60 });
const screen = { write: (sequence: string): void => void process.stdout.write(sequence), clear: (): void => ink.clear() };
const { columns, rows } = process.stdout;
await using store = startStore(client, {
  columns,
  rows,
  colour,
  keymap: readKeymap(undefined).keymap,
  pictureTerminal,
  copy: () => undefined,
  switchTo: () => undefined,
  redraw: screen.clear,
  write: screen.write,
  profileFolder: undefined,
  decode: async (_client, { message: asked, place, most }) => {
    await wait(LATE_MS);
    const { name, size } = asked.files[place]!;
    const scale = Math.min(1, most.width / size!.width, most.height / size!.height);
    return paint(name, Math.max(1, Math.round(size!.width * scale)), Math.max(1, Math.round(size!.height * scale)));
  },
});
store.dispatch({ kind: "opened", conversation: withBob });
ink.rerender(<ChatScreen store={store} terminal={screen} />);
await store.ended;
ink.unmount();
await ink.waitUntilExit();
