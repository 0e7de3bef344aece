import { expect, test } from "vitest";
import { answered, pictureTerminal } from "./terminal.ts";

const ASKED = { COLORTERM: "truecolor", TERM: "xterm-256color" };

test.each([
  ["kitty", { TERM: "xterm-kitty", KITTY_WINDOW_ID: "1" }, "kitty"],
  ["kitty, over ssh", { TERM: "xterm-kitty", SSH_TTY: "/dev/pts/1" }, "kitty"],
  ["ghostty", { TERM: "xterm-ghostty", TERM_PROGRAM: "ghostty" }, "kitty"],
  ["iTerm2", { ...ASKED, TERM_PROGRAM: "iTerm.app" }, "iterm2"],
  ["iTerm2, over ssh", { TERM: "xterm-256color", LC_TERMINAL: "iTerm2" }, "iterm2"],
  ["WezTerm", { ...ASKED, TERM_PROGRAM: "WezTerm" }, "iterm2"],
  ["Konsole", { ...ASKED, KONSOLE_VERSION: "230804" }, "iterm2"],
  ["an old Konsole", { ...ASKED, KONSOLE_VERSION: "210801" }, "half-blocks"],
  ["VS Code, begun from kitty", { ...ASKED, TERM_PROGRAM: "vscode", KITTY_WINDOW_ID: "1" }, "half-blocks"],
  ["Terminal.app", { TERM: "xterm-256color", TERM_PROGRAM: "Apple_Terminal" }, "half-blocks"],
  [
    "tmux in kitty",
    { TERM: "tmux-256color", TMUX: "/tmp/tmux-0/default,1,0", KITTY_WINDOW_ID: "1", COLORTERM: "truecolor" },
    "half-blocks",
  ],
  ["screen", { TERM: "screen-256color", STY: "1.pts-0" }, "half-blocks"],
  ["the console of Linux", { TERM: "linux" }, "none"],
  ["a terminal of sixteen colours", { TERM: "xterm" }, "none"],
] as const)("%s", (_, environment, protocol) => {
  expect(pictureTerminal(environment, "auto", true).protocol).toBe(protocol);
});

test("what is set wins, and NO_COLOR over all", () => {
  const inTmux = { TERM: "tmux-256color", TMUX: "x" };
  expect(pictureTerminal(inTmux, "kitty", true)).toMatchObject({ protocol: "kitty", inTmux: true });
  expect(pictureTerminal({ TERM: "xterm-kitty" }, "half-blocks", true)).toMatchObject({ protocol: "half-blocks", maybeSixel: false });
  expect(pictureTerminal({ TERM: "xterm-kitty" }, "off", true).protocol).toBe("none");
  expect(pictureTerminal({ TERM: "xterm-kitty" }, "sixel", false).protocol).toBe("none");
});

test("colours: as many as the terminal says", () => {
  expect(pictureTerminal({ TERM: "xterm-256color", COLORTERM: "24bit" }, "auto", true).depth).toBe("truecolor");
  expect(pictureTerminal({ TERM: "xterm-direct" }, "auto", true).depth).toBe("truecolor");
  expect(pictureTerminal({ TERM: "screen-256color" }, "auto", true).depth).toBe("256");
});

const unknown = pictureTerminal(ASKED, "auto", true);

test("a terminal that knows sixels and the size of its cells gets them", () => {
  const { terminal, typed, isLast } = answered(unknown, "\u001b[6;20;10t\u001b[?62;4;22c");
  expect(terminal).toMatchObject({ protocol: "sixel", cell: { width: 10, height: 20 } });
  expect([typed, isLast]).toEqual(["", true]);
  // 4 may also be the number of the terminal's kind.
  expect(answered(unknown, "\u001b[6;20;10t\u001b[?4;22c").terminal.protocol).toBe("half-blocks");
  expect(answered(unknown, "\u001b[?62;4;22c").terminal.protocol).toBe("half-blocks");
  expect(answered(unknown, "\u001b[6;0;0t\u001b[?62;4c").terminal).toMatchObject({
    protocol: "half-blocks",
    cell: { width: 8, height: 16 },
  });
  expect(
    answered(pictureTerminal({ ...ASKED, TERM_PROGRAM: "WezTerm" }, "auto", true), "\u001b[6;20;10t\u001b[?65;4c").terminal,
  ).toMatchObject({
    protocol: "iterm2",
    cell: { width: 10, height: 20 },
  });
});

test("what is typed among the answers stays, in its order", () => {
  const { typed, isLast } = answered(unknown, "he\u001b[6;20;10tl\u001b[A\u001b[?62;4cp");
  expect([typed, isLast]).toEqual(["hel\u001b[Ap", true]);
  expect(answered(unknown, "half an answer \u001b[?62;")).toMatchObject({ typed: "half an answer \u001b[?62;", isLast: false });
});
