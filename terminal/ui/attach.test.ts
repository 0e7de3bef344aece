import { ErrorCode, errorRow, limits } from "@fastchat/protocol";
import { expect, test } from "vitest";
import type { PreparedFile } from "../files/to-send.ts";
import { openChat } from "./state.ts";
import { Alice, enter, fileCalled, key, message, rowWith, screenOf, shows, tab, talk, bob, withBob } from "./test-state.ts";

const escape = key("escape");
const backspace = key("backspace");

function prepared(name: string, more: Partial<PreparedFile> = {}): PreparedFile {
  const source = { name, size: 1_234_567, stream: async function* () {} };
  const isImage = more.sentAs === "image";
  const file = { source, mediaType: "image/jpeg", ...(isImage && { width: 800, height: 600 }) };
  return { file, sentAs: "file", metadata: undefined, ...more };
}

const attached = (...files: readonly PreparedFile[]) => ({ kind: "attached", id: withBob.id, files }) as const;
const inChat = (): Alice => new Alice().knows(withBob).opens(withBob, []);
const typedLine = (alice: Alice): string => openChat(alice.state)!.editor.text;

test("what is attached stands above the line with what becomes of it, and goes with the text", () => {
  const alice = inChat();
  alice.presses("/image 'my photo.jpg' b.png", enter);
  expect(alice.asked("attach")).toMatchObject([
    {
      id: withBob.id,
      files: [{ name: "image", value: expect.stringMatching(/\/my photo\.jpg$/u) }, { value: expect.stringMatching(/\/b\.png$/u) }],
    },
  ]);
  expect(typedLine(alice)).toBe("");
  const photo = prepared("my photo.jpg", { sentAs: "image" });
  const raw = prepared("raw.jpg", { metadata: "picture" });
  alice.does(attached(photo, raw));
  expect(rowWith(alice, "my photo.jpg")).toContain("800 × 600, 1.2 MB, without place and camera");
  expect(rowWith(alice, "raw.jpg")).toContain("may tell where it was taken: /image does not");
  expect(shows(alice, "Write something to it, or press Enter to send it")).toBe(true);
  alice.presses("look", enter);
  expect(alice.asked("send")).toEqual([{ kind: "send", id: withBob.id, text: "look", files: [photo, raw] }]);
  expect(shows(alice, "my photo.jpg")).toBe(false);
  // Without a text, too; and a line that is empty sends nothing where nothing is attached.
  alice.does(attached(raw)).presses(enter, enter);
  expect(alice.asked("send")).toEqual([{ kind: "send", id: withBob.id, text: "", files: [raw] }]);
});

test("with a lifetime of its own a message takes its files along", () => {
  const photo = prepared("photo.jpg", { sentAs: "image" });
  const alice = inChat().does(attached(photo));
  alice.presses("/expire 1h burn this", enter);
  expect(alice.asked("send")).toMatchObject([{ text: "burn this", expiresAfter: 3_600, files: [photo] }]);
});

test("Esc and Backspace on an empty line take back what was attached last; text is deleted before", () => {
  const [one, other] = [prepared("one"), prepared("other")];
  const alice = inChat().does(attached(one, other));
  const attachedNow = () => openChat(alice.state)!.attached;
  alice.presses("x", backspace);
  expect(attachedNow()).toEqual([one, other]);
  alice.presses(backspace);
  expect(attachedNow()).toEqual([one]);
  alice.presses(escape);
  expect(attachedNow()).toEqual([]);
  alice.presses(escape, backspace);
  expect(attachedNow()).toEqual([]);
});

test("nothing is sent while what goes with it is still being read; Esc stops that", () => {
  const alice = inChat();
  const transfer = { words: "Reading photo.jpg", done: 0, total: 0, holds: withBob.id };
  alice.does({ kind: "transfer", transfer: 7, state: transfer });
  expect(rowWith(alice, "Reading photo.jpg…")).toContain("Esc stops");
  alice.presses("with the picture", enter);
  expect(alice.asked("send")).toEqual([]);
  expect(typedLine(alice)).toBe("with the picture");
  expect(shows(alice, "still being read")).toBe(true);
  alice.presses(key("u", { ctrl: true }), "/expire 1h with the picture", enter);
  expect(alice.asked("send")).toEqual([]);
  expect(typedLine(alice)).toBe("/expire 1h with the picture");
  expect(shows(alice, "still being read")).toBe(true);
  // Also while something is written, which stays.
  alice.presses(escape);
  expect(alice.asked("cancel-transfer")).toEqual([{ kind: "cancel-transfer", transfer: 7 }]);
  expect(typedLine(alice)).toBe("/expire 1h with the picture");
  alice.presses(key("u", { ctrl: true }), escape);
  expect(alice.asked("cancel-transfer")).toEqual([{ kind: "cancel-transfer", transfer: 7 }]);
  alice.does({
    kind: "transfer",
    transfer: 7,
    state: { ...transfer, words: "Encrypting big.bin", done: 250, total: 1_000, holds: undefined },
  });
  expect(rowWith(alice, "Encrypting")).toContain("25 % of 1 kB");
  alice.presses("other words", enter);
  expect(alice.asked("send")).toMatchObject([{ text: "other words" }]);
  alice.does({ kind: "transfer", transfer: 7, state: undefined });
  expect(shows(alice, "Encrypting")).toBe(false);
});

test("what could not be sent is there again, text and files", () => {
  const photo = prepared("photo.jpg");
  const alice = inChat().does(attached(photo)).presses("look", enter);
  alice.does({ kind: "not-sent", id: withBob.id, text: "look", files: [photo], sentence: "There is no room.", now: alice.state.now });
  expect(typedLine(alice)).toBe("look");
  expect(openChat(alice.state)!.attached).toEqual([photo]);
  expect(shows(alice, "There is no room.")).toBe(true);
});

test("what could not be sent stands before what was written meanwhile, and the cursor stays in that", () => {
  const alice = inChat().presses("look", enter).presses("and then", key("left"));
  alice.does({ kind: "not-sent", id: withBob.id, text: "look", files: [], sentence: "There is no room.", now: alice.state.now });
  expect(typedLine(alice)).toBe("look\nand then");
  alice.presses("!");
  expect(typedLine(alice)).toBe("look\nand the!n");
});

test("as many files as one message has, and no more; in no chat, and to no stranger", () => {
  const alice = inChat();
  const many = Array.from({ length: limits.filesPerMessage }, (_, index) => prepared(`${index}.txt`));
  alice.does(attached(...many)).presses("/file one more", enter);
  expect(alice.asked("attach")).toEqual([]);
  expect(shows(alice, "up to 10 files")).toBe(true);
  alice.does(attached(prepared("over.txt")));
  expect(openChat(alice.state)!.attached).toEqual(many);
  expect(shows(alice, "send the others with another one")).toBe(true);
  const nowhere = new Alice().knows(withBob).presses("/image a.jpg", enter);
  expect(nowhere.asked("attach")).toEqual([]);
  expect(shows(nowhere, "Open a chat first")).toBe(true);
  const request = talk(bob, { request: true });
  const strange = new Alice().does({ kind: "requests", requests: { count: 1, conversations: [request] } }).opens(request, []);
  strange.presses("/image a.jpg", enter);
  expect(strange.asked("attach")).toEqual([]);
});

test("a path that is pasted on an empty line is looked at, and attached where it is a file", () => {
  const alice = inChat();
  const paste = (text: string): void => void alice.does({ kind: "paste", text, now: alice.state.now });
  paste("/home/alice/photo.jpg");
  expect(alice.asked("look-for-files")).toEqual([{ kind: "look-for-files", id: withBob.id, text: "/home/alice/photo.jpg" }]);
  expect(typedLine(alice)).toBe("/home/alice/photo.jpg");
  const found = {
    kind: "files-found",
    id: withBob.id,
    text: "/home/alice/photo.jpg",
    files: [{ name: "image", value: "/home/alice/photo.jpg" }],
  } as const;
  alice.does(found);
  expect(typedLine(alice)).toBe("");
  expect(alice.asked("attach")).toMatchObject([{ files: found.files }]);
  // Whoever went on typing meant the text.
  paste("/home/alice/photo.jpg");
  alice.asked("look-for-files");
  alice.presses("!").does(found);
  expect(typedLine(alice)).toBe("/home/alice/photo.jpg!");
  paste("/home/alice/photo.jpg");
  expect(alice.asked("look-for-files")).toEqual([]);
  expect(alice.asked("attach")).toEqual([]);
});

const pictures = [
  { name: "holiday", kind: "folder", bytes: 0, modified: 0 },
  { name: "new photo.jpg", kind: "file", bytes: 3_500_000, modified: 2 },
  { name: "old.png", kind: "file", bytes: 10, modified: 1 },
  { name: "notes.txt", kind: "file", bytes: 10, modified: 0 },
  { name: ".hidden.jpg", kind: "file", bytes: 10, modified: 0 },
] as const;

test("a path is completed by Tab: folders with a slash, names with spaces so that they are read again, pictures only for /image", () => {
  const alice = inChat();
  alice.presses("/image /pictures/");
  expect(alice.asked("list-folder")).toMatchObject([{ path: "/pictures" }]);
  alice.does({ kind: "folder", asked: "/pictures", path: "/pictures", entries: pictures });
  expect(shows(alice, "holiday/")).toBe(true);
  expect(shows(alice, "notes.txt")).toBe(false);
  expect(shows(alice, ".hidden.jpg")).toBe(false);
  alice.presses("n", tab);
  expect(typedLine(alice)).toBe(String.raw`/image /pictures/new\ photo.jpg `);
  alice.presses("/pictures/.h", tab);
  expect(typedLine(alice)).toBe(String.raw`/image /pictures/new\ photo.jpg /pictures/.hidden.jpg `);
  alice.presses("/pictures/h", tab);
  expect(typedLine(alice)).toMatch(/ \/pictures\/holiday\/$/u);
  expect(alice.asked("list-folder")).toMatchObject([{ path: "/pictures/holiday" }]);
  alice.presses(key("u", { ctrl: true }), "/file /pictures/no", tab);
  alice.does({ kind: "folder", asked: "/pictures", path: "/pictures", entries: pictures }).presses(tab);
  expect(typedLine(alice)).toBe("/file /pictures/notes.txt ");
});

test("Esc among files takes back what was typed, then what was chosen, and leaves when there is neither", () => {
  const alice = inChat().presses("/image", enter);
  alice.does({ kind: "folder", asked: undefined, path: "/pictures", entries: pictures });
  alice.presses(key("down"), tab, "old");
  const hint = (): string => screenOf(alice).at(-1)!;
  expect(hint()).toContain("Esc clear");
  alice.presses(escape);
  expect(shows(alice, "holiday/")).toBe(true);
  expect(shows(alice, "1 file chosen")).toBe(true);
  expect(hint()).toContain("Esc choose none");
  alice.presses(escape);
  expect(shows(alice, "file chosen")).toBe(false);
  expect(shows(alice, "holiday/")).toBe(true);
  expect(hint()).toContain("Esc back");
  alice.presses(escape);
  expect(alice.state.overlay.kind).toBe("none");
  expect(alice.asked("attach")).toEqual([]);
});

test("without a path files are chosen: several by Tab, folders by arrows, by typing a part of the name", () => {
  const alice = inChat().presses("/image", enter);
  expect(alice.asked("list-folder")).toEqual([{ kind: "list-folder", path: undefined, sentAs: "image" }]);
  alice.does({ kind: "folder", asked: undefined, path: "/pictures", entries: pictures });
  expect(screenOf(alice).filter((row) => /holiday\/|new photo|old\.png/u.test(row))).toHaveLength(3);
  expect(rowWith(alice, "new photo.jpg")).toContain("3.5 MB");
  expect(shows(alice, "notes.txt")).toBe(false);
  expect(screenOf(alice).at(-1)).toContain("Enter open");
  alice.presses(key("down"), tab, tab);
  expect(shows(alice, "2 files chosen")).toBe(true);
  alice.presses(enter);
  expect(alice.asked("attach")).toMatchObject([{ files: [{ value: "/pictures/new photo.jpg" }, { value: "/pictures/old.png" }] }]);
  expect(alice.state.overlay.kind).toBe("none");
  // It opens where one was.
  alice.presses("/file", enter);
  expect(alice.asked("list-folder")).toMatchObject([{ path: "/pictures" }]);
  alice.does({ kind: "folder", asked: "/pictures", path: "/pictures", entries: pictures });
  alice.presses("OLD");
  expect(screenOf(alice).filter((row) => /holiday|photo|notes/u.test(row))).toHaveLength(0);
  alice.presses(enter);
  expect(alice.asked("attach")).toMatchObject([{ files: [{ name: "file", value: "/pictures/old.png" }] }]);
  alice.presses("/file", enter, key("left"));
  expect(alice.asked("list-folder").at(-1)).toMatchObject({ path: "/" });
  alice.does({ kind: "folder", asked: "/", path: "/", entries: [{ name: "pictures", kind: "folder", bytes: 0, modified: 0 }] });
  alice.presses(enter);
  expect(alice.asked("list-folder")).toMatchObject([{ path: "/pictures" }]);
  alice.presses(escape);
  expect(alice.state.overlay.kind).toBe("none");
});

test("on a narrow screen the end of a name, and what becomes of a file, are seen all the same; and how many there are", () => {
  const alice = inChat().does({ kind: "resize", columns: 80, rows: 24 });
  const long = `${"long".repeat(50)}.jpg`;
  alice.does(attached(prepared(long, { sentAs: "image" }), prepared(long, { metadata: "picture" }), prepared(long)));
  const rows = screenOf(alice).filter((row) => row.includes(" + "));
  expect(rows.map((row) => row.slice(row.indexOf("….jpg")).trimEnd())).toEqual([
    "….jpg  1.2 MB, without place and camera",
    "….jpg  1.2 MB, may tell where it was taken",
    "….jpg  1.2 MB",
  ]);
  expect(screenOf(alice).at(-1)).toContain("Esc take back");
  alice.does(attached(...Array.from({ length: 7 }, (_, index) => prepared(`${index}.txt`))));
  expect(rowWith(alice, " more")).toContain("+ 5 more");
  expect(screenOf(alice).filter((row) => /\d\.txt/u.test(row))).toHaveLength(5);
  alice.presses("/file more.txt", enter);
  expect(shows(alice, "up to 10 files")).toBe(true);
  expect(rowWith(alice, " more")).toContain("+ 5 more");
  alice.does({ kind: "transfer", transfer: 1, state: { words: `Fetching ${long}`, done: 500, total: 1_000, holds: undefined } });
  expect(rowWith(alice, "Fetching")).toMatch(/…  50 % of 1 kB +Esc stops/u);
});

test("a long name among the files of a folder hides no other from completion", () => {
  const alice = inChat().presses("/file /pictures/");
  const entry = { kind: "file", bytes: 10, modified: 0 } as const;
  const entries = [
    { ...entry, name: `${"long".repeat(50)}.jpg` },
    { ...entry, name: "short.txt" },
  ];
  alice.does({ kind: "folder", asked: "/pictures", path: "/pictures", entries });
  expect(rowWith(alice, "Tab")).toMatch(/longlong[long]*…\.jpg short\.txt/u);
});

test("why the files of a message wait, or were refused, is said whole, with what to do", () => {
  const big = fileCalled("big.bin", "application/octet-stream");
  const mine = { mine: true, files: [big] } as const;
  const held = message(withBob, 1, "", { ...mine, status: "queued", upload: { sent: 250, size: 1_000, held: ErrorCode.STORAGE_FULL } });
  const refused = message(withBob, 2, "", { ...mine, status: "failed", refusal: ErrorCode.FILE_TOO_LARGE });
  const alice = new Alice().does({ kind: "resize", columns: 80, rows: 30 }).knows(withBob);
  alice.opens(withBob, [
    { ...held, sequence: undefined },
    { ...refused, sequence: undefined },
  ]);
  const words = screenOf(alice)
    .map((row) => row.replace(/^.*│▎/u, "").replace(/[◷✗]/u, "").trim())
    .join(" ");
  expect(words).toContain(`Waits at 25 % of 1 kB  ↑ x takes it back ${errorRow(ErrorCode.STORAGE_FULL).sentence}`);
  expect(words).toContain(`press Enter to try again, x to take it back. ${errorRow(ErrorCode.FILE_TOO_LARGE).sentence}`);
});

test("nothing is copied of a message without words; a pasted path that is no file is no command", () => {
  const alice = new Alice().knows(withBob).opens(withBob, [message(withBob, 1, "", { files: [fileCalled("a.pdf", "application/pdf")] })]);
  alice.presses(key("up"));
  expect(screenOf(alice).at(-1)).not.toContain("copy");
  alice.presses("y");
  expect(alice.asked("copy")).toEqual([]);
  expect(shows(alice, "Copied")).toBe(false);
  alice.presses(escape, "/home/alice/folder", enter);
  expect(shows(alice, "no file that can be added")).toBe(true);
});

test("keys of a message with files: o opens, s saves, x takes back what is on its way", () => {
  const report = fileCalled("report.pdf", "application/pdf");
  const sending = message(withBob, 1, "", {
    mine: true,
    files: [report],
    status: "queued",
    upload: { sent: 250, size: 1_000, held: undefined },
  });
  const alice = new Alice().knows(withBob).opens(withBob, [{ ...sending, sequence: undefined }]);
  expect(rowWith(alice, "report.pdf")).toContain("▤ report.pdf  412 kB");
  expect(rowWith(alice, "Uploading")).toContain("25 % of 1 kB");
  alice.presses(key("up"), "x");
  expect(alice.asked("cancel-upload")).toEqual([{ kind: "cancel-upload", message: sending.id }]);
  const [photo, second] = ["a.jpg", "b.jpg"].map((name) => fileCalled(name, "image/jpeg", { width: 40, height: 30 }));
  const sent = message(withBob, 1, "caption", { files: [report, photo!, second!] });
  const bobs = new Alice().knows(withBob).opens(withBob, [sent]).presses(key("up"));
  expect(screenOf(bobs).at(-1)).not.toContain("take back");
  bobs.presses("s");
  expect(bobs.asked("save-files")).toEqual([{ kind: "save-files", message: sent }]);
  bobs.presses("x");
  expect(bobs.asked("cancel-upload")).toEqual([]);
  bobs.presses("o");
  expect(screenOf(bobs)[0]).toContain("1 of 2");
  bobs.presses(key("right"), key("right"));
  expect(screenOf(bobs)[0]).toContain("2 of 2");
  bobs.presses("o");
  expect(bobs.asked("open-file")).toEqual([{ kind: "open-file", message: sent, place: 2 }]);
});

test("of several files each has its number, and a digit opens that one; the hint line says so", () => {
  const shot = (name: string) => fileCalled(name, "image/jpeg", { width: 40, height: 30 });
  const sent = message(withBob, 1, "caption", { files: [shot("a.jpg"), fileCalled("plan.pdf", "application/pdf"), shot("b.jpg")] });
  const bobs = new Alice({ columns: 80, rows: 24 }).knows(withBob).opens(withBob, [sent]).presses(key("up"));
  expect(screenOf(bobs).at(-1)).toContain("1-3 that file");
  for (const row of ["1 ▣ a.jpg", "2 ▤ plan.pdf", "3 ▣ b.jpg"]) expect(shows(bobs, row)).toBe(true);
  bobs.presses("2");
  expect(bobs.asked("open-file")).toEqual([{ kind: "open-file", message: sent, place: 1 }]);
  bobs.presses("4", "0");
  expect(bobs.asked("open-file")).toEqual([]);
  expect(bobs.state.overlay).toEqual({ kind: "none" });
  bobs.presses("3");
  expect(screenOf(bobs)[0]).toContain("2 of 2");
  // Where no picture can be shown, a program does.
  const plain = new Alice().knows(withBob).opens(withBob, [sent]);
  plain.state = { ...plain.state, pictureTerminal: { ...plain.state.pictureTerminal, protocol: "none" } };
  plain.presses(key("up"), "3");
  expect(plain.asked("open-file")).toMatchObject([{ place: 2 }]);
});

test("a single file has no number; of ten the last is opened with 0, and all names stand below each other", () => {
  const file = (index: number) => fileCalled(`file ${index}.pdf`, "application/pdf");
  const ten = message(withBob, 2, "", { files: Array.from({ length: 10 }, (_, index) => file(index)) });
  const bobs = new Alice().knows(withBob).opens(withBob, [message(withBob, 1, "", { files: [file(99)] }), ten]);
  expect(rowWith(bobs, "file 99.pdf")).toContain("│  ▤ file 99.pdf");
  expect(rowWith(bobs, "file 0.pdf")).toContain("│   1 ▤ file 0.pdf");
  expect(rowWith(bobs, "file 9.pdf")).toContain("│  10 ▤ file 9.pdf");
  bobs.presses(key("up"), "0");
  expect(bobs.asked("open-file")).toMatchObject([{ place: 9 }]);
  bobs.presses(key("up"), "1");
  expect(bobs.asked("open-file")).toEqual([]);
});

test("a path that is only typed moves no picker: it opens where one chose last, and else where pictures lie", () => {
  const alice = inChat().presses("/imag", tab);
  expect(typedLine(alice)).toBe("/image ");
  expect(alice.asked("list-folder")).toMatchObject([{ path: process.cwd() }]);
  alice.does({ kind: "folder", asked: process.cwd(), path: process.cwd(), entries: pictures }).presses(enter);
  expect(alice.asked("list-folder")).toEqual([{ kind: "list-folder", path: undefined, sentAs: "image" }]);
});
