// The script of the offline viewer: runs in the one HTML file of an exported archive, from the disk, without a network. What others wrote reaches the page as text
// alone (`textContent`): nothing here makes HTML of it, and the page's policy would not let it do anything.

import type { ExportedConversation, ExportedFile, ExportedItem, ExportOverview } from "../export-shapes.ts";

/** Items that are in the page at most, and how many are added at an end of them when it comes near. */
const SHOWN_AT_MOST = 600;
const ADDED_AT_ONCE = 150;
const NEAR_PIXELS = 600;
const FOUND_AT_MOST = 500;
/** How long a search works before the page may do something else. */
const SEARCH_SLICE_MS = 25;
const SEARCH_DELAY_MS = 150;

type ExportedMessage = Extract<ExportedItem, { type: "message" }>;

interface Block {
  readonly element: HTMLElement;
  /** Place of its first item in the conversation. */
  readonly first: number;
  readonly count: number;
}

interface Chat {
  readonly conversation: ExportedConversation;
  readonly blocks: readonly Block[];
  readonly count: number;
  readonly button: HTMLButtonElement;
}

interface Shown {
  readonly chat: Chat;
  from: number;
  to: number;
  found: number | undefined;
}

const byId = <Kind extends HTMLElement>(id: string): Kind => document.getElementById(id) as Kind;
const [nav, list, scroll, about, heading, place, date, search] = [
  byId("chats"),
  byId("items"),
  byId("scroll"),
  byId("about"),
  byId("heading"),
  byId("place"),
  byId<HTMLInputElement>("date"),
  byId<HTMLInputElement>("search"),
];

let shown: Shown | undefined;
let searching = 0;

function parsed<Content>(element: HTMLElement): Content {
  return JSON.parse(element.textContent) as Content;
}

function readChat(conversation: ExportedConversation, number: number): Chat {
  let count = 0;
  const blocks = Array.from(document.querySelectorAll<HTMLElement>(`script[data-conversation="${number}"]`), (element) => {
    const block = { element, first: count, count: Number(element.dataset["count"]) };
    count += block.count;
    return block;
  });
  const button = document.createElement("button");
  const kinds = { direct: "", "note-to-self": "", group: "group, " };
  button.append(
    part("span", "title", harmless(conversation.title)),
    part("span", "quiet", `${kinds[conversation.kind]}${counted(conversation.messages, "message")}, ${dayOf(conversation.time)}`),
  );
  return { conversation, blocks, count, button };
}

/** Items of a chat, by place. A block is read again rather than kept: all of them together may be large. */
const readBlocks = new Map<HTMLElement, readonly ExportedItem[]>();
const BLOCKS_KEPT = 64;

function itemsOf({ element }: Block): readonly ExportedItem[] {
  const items = readBlocks.get(element) ?? parsed<readonly ExportedItem[]>(element);
  readBlocks.delete(element);
  readBlocks.set(element, items);
  for (const oldest of readBlocks.keys()) {
    if (readBlocks.size <= BLOCKS_KEPT) break;
    readBlocks.delete(oldest);
  }
  return items;
}

function itemAt(chat: Chat, at: number): ExportedItem | undefined {
  const block = chat.blocks.find(({ first, count }) => at >= first && at < first + count);
  return block && itemsOf(block)[at - block.first];
}

// ------------------------------------------------------------------ words

function part(tag: string, name: string, text: string): HTMLElement {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
}

/** Controls and marks that reorder what stands beside a name are shown, not obeyed. */
const harmless = (text: string): string => spelled(text, /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/gu);

/** In the text of a message, which stands by itself, only those that turn letters around: right-to-left languages need the others. */
const harmlessText = (text: string): string => spelled(text, /(?![\n\t])\p{Cc}|[\u202a-\u202e]/gu);

function spelled(text: string, marks: RegExp): string {
  return text.toWellFormed().replace(marks, (mark) => `[U+${mark.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`);
}

const counted = (count: number, word: string): string => `${count.toLocaleString()} ${word}${count === 1 ? "" : "s"}`;
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
const shortDays = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const dayOf = (time: string): string => shortDays.format(new Date(time));

const sizeUnits = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;

/** Decimal, in the reader's language. */
function sizeWords(bytes: number): string {
  const power = bytes < 1_000 ? 0 : Math.min(sizeUnits.length - 1, Math.floor(Math.log10(bytes) / 3));
  const options = {
    style: "unit",
    unit: sizeUnits[power]!,
    unitDisplay: power === 0 ? "long" : "short",
    maximumFractionDigits: 1,
  } as const;
  return (bytes / 1_000 ** power).toLocaleString(undefined, options);
}

/** "0:07", "1:02:03". */
function clockWords(duration: number): string {
  const seconds = Math.round(duration);
  const two = (count: number): string => String(count).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

const warnings: ReadonlySet<string> = new Set([
  "contradiction",
  "fork",
  "identity-changed",
  "invalid-link",
  "incomplete",
  "unreadable",
  "device-runs-twice",
]);
const doubts: Readonly<Record<ExportedMessage["doubt"], string>> = {
  none: "",
  "revoked-device": "written by a device that was revoked",
  "before-joining": "written before its author's time",
  lost: "lost by the server",
};

function rowsOf(item: ExportedItem, before: ExportedItem | undefined): HTMLElement[] {
  const time = new Date(item.time);
  const day = days.format(time);
  const rows = before !== undefined && days.format(new Date(before.time)) === day ? [] : [part("li", "day", day)];
  if (item.type === "notice") {
    rows.push(part("li", warnings.has(item.notice) ? "notice warning" : "notice", harmless(item.text)));
    return rows;
  }
  const row = part("li", item.mine ? "message mine" : "message", "");
  const head = part("div", "quiet", "");
  const when = part("time", "", clock.format(time));
  when.setAttribute("datetime", item.time);
  when.title = time.toLocaleString();
  head.append(part("bdi", "from", harmless(item.from)), " ", when);
  if (item.mine) head.append(` · ${item.status}`);
  if (item.doubt !== "none") head.append(" · ", part("span", "warning", doubts[item.doubt]));
  row.append(head);
  if (item.deleted) row.append(part("p", "quiet", "This message was deleted."));
  else if (item.text !== "" || item.files.length === 0) {
    const text = part("p", "text", harmlessText(item.text));
    text.dir = "auto";
    row.append(text);
  }
  row.append(...item.files.map(fileOf));
  rows.push(row);
  return rows;
}

const whyMissing: Readonly<Record<NonNullable<ExportedFile["missing"]>, string>> = {
  gone: "gone from the server",
  damaged: "damaged on the server",
  "not-given": "the server did not give it",
  "not-sent": "not sent yet",
  "left-out": "left out",
};

/** What browsers show and do not run, as they know files on a disk: by the extension. Any other is saved. */
const SHOWN = /\.(?:avif|flac|gif|jpe?g|m4a|mp3|mp4|ogg|pdf|png|txt|wav|webm|webp)$/iu;
/**
 * Pages and drawings that may hold script, and what a browser has to guess at: not every browser saves what a page from the disk asks it to save, and it would run
 * there. Where such a file lies is only said.
 */
const MAY_RUN = /\.(?:atom|html?|mht(?:ml)?|rdf|rss|shtml?|svgz?|xht(?:ml)?|xml|xslt?)$|\/[^./]*$/iu;
const PICTURE_PIXELS = 160;
const LEAST_PIXELS = 24;

/** A link where the file is in the archive. The page hands nothing of itself over: what it opens has neither its rights nor a way back to it. */
function fileOf({ name, bytes, duration, file, missing, thumbnail, width, height }: ExportedFile): HTMLElement {
  const isLinked = file !== null && !MAY_RUN.test(file);
  const element = isLinked ? linkTo(file, name) : part("div", "file", "");
  if (thumbnail !== undefined) {
    const image = document.createElement("img");
    image.src = thumbnail;
    image.alt = "";
    // Its place is kept while it is decoded: what is looked at does not jump.
    const [across, down] = [width ?? PICTURE_PIXELS, height ?? PICTURE_PIXELS];
    const scale = PICTURE_PIXELS / Math.max(across, down);
    image.width = Math.max(LEAST_PIXELS, across * scale);
    image.height = Math.max(LEAST_PIXELS, down * scale);
    element.append(image);
  }
  const facts = [
    sizeWords(bytes),
    ...(duration === null ? [] : [clockWords(duration)]),
    ...(missing === null ? [] : [`not in this archive: ${whyMissing[missing]}`]),
  ];
  if (file !== null && !isLinked) facts.push(`in ${file}`);
  element.append(part("bdi", "name", harmless(name)), " ", part("span", "quiet", harmless(facts.join(", "))));
  return element;
}

function linkTo(path: string, name: string): HTMLElement {
  const link = document.createElement("a");
  link.className = "file";
  link.href = path.split("/").map(encodeURIComponent).join("/");
  link.rel = "noopener noreferrer";
  // A page of its own for what is saved would be left empty, or takes the name away.
  if (SHOWN.test(path)) link.target = "_blank";
  else link.download = name;
  return link;
}

// ------------------------------------------------------------------ a chat

/** Rows of the items from a place to another, each marked with its place. */
function rowsFrom(chat: Chat, from: number, to: number): HTMLElement[] {
  const rows: HTMLElement[] = [];
  let before = itemAt(chat, from - 1);
  for (let at = from; at < to; at++) {
    const item = itemAt(chat, at)!;
    for (const row of rowsOf(item, before)) {
      row.dataset["at"] = String(at);
      if (at === shown?.found && row.className !== "day") row.classList.add("found");
      rows.push(row);
    }
    before = item;
  }
  return rows;
}

/** Opens a chat at its newest item, or at a place of it, which may be what was searched for. */
function open(chat: Chat, at?: number, isFound = false): void {
  const middle = at ?? chat.count;
  const to = Math.min(chat.count, middle + ADDED_AT_ONCE);
  shown = { chat, from: Math.max(0, middle - ADDED_AT_ONCE), to, found: isFound ? at : undefined };
  heading.textContent = harmless(chat.conversation.title);
  about.hidden = true;
  scroll.hidden = false;
  date.hidden = false;
  for (const each of chats) each.button.removeAttribute("aria-current");
  chat.button.setAttribute("aria-current", "true");
  list.replaceChildren(...rowsFrom(chat, shown.from, to));
  if (chat.conversation.notFetched > 0 && shown.from === 0) list.prepend(missing(chat.conversation.notFetched));
  const row = at === undefined ? null : list.querySelector(`[data-at="${at}"]`);
  if (row !== null) row.scrollIntoView({ block: isFound ? "center" : "start" });
  else scroll.scrollTop = scroll.scrollHeight;
  tellPlace();
}

const missing = (count: number): HTMLElement =>
  part("li", "notice warning", `What is older could not be fetched from the server: ${counted(count, "place")} of the log.`);

function tellPlace(): void {
  if (shown === undefined) return;
  const { chat } = shown;
  const top = scroll.getBoundingClientRect().top;
  const first = [...list.children].find((row) => row.getBoundingClientRect().bottom > top) as HTMLElement | undefined;
  const at = Number(first?.dataset["at"] ?? 0);
  place.textContent = chat.count === 0 ? "nothing was written here" : `${(at + 1).toLocaleString()} of ${chat.count.toLocaleString()}`;
}

/** Adds items where the end of those in the page comes near, and takes others away; what is looked at stays where it is. */
function grow(): void {
  if (shown === undefined) return;
  const { chat } = shown;
  const below = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight;
  if (scroll.scrollTop < NEAR_PIXELS && shown.from > 0) {
    const from = Math.max(0, shown.from - ADDED_AT_ONCE);
    const anchor = list.firstElementChild!;
    const before = anchor.getBoundingClientRect().top;
    list.prepend(...rowsFrom(chat, from, shown.from));
    scroll.scrollTop += anchor.getBoundingClientRect().top - before;
    shown.from = from;
    shown.to = Math.min(shown.to, from + SHOWN_AT_MOST);
    dropRows((at) => at >= shown!.to);
    if (from === 0 && chat.conversation.notFetched > 0) list.prepend(missing(chat.conversation.notFetched));
  } else if (below < NEAR_PIXELS && shown.to < chat.count) {
    const to = Math.min(chat.count, shown.to + ADDED_AT_ONCE);
    const anchor = list.lastElementChild!;
    list.append(...rowsFrom(chat, shown.to, to));
    const before = anchor.getBoundingClientRect().top;
    shown.to = to;
    shown.from = Math.max(shown.from, to - SHOWN_AT_MOST);
    dropRows((at) => at < shown!.from);
    scroll.scrollTop += anchor.getBoundingClientRect().top - before;
  }
  tellPlace();
}

function dropRows(isGone: (at: number) => boolean): void {
  for (const row of [...list.children] as HTMLElement[]) if (isGone(Number(row.dataset["at"] ?? 0))) row.remove();
}

/** The place of the first item of a day or later. */
function placeOfDay(chat: Chat, day: string): number {
  const time = new Date(`${day}T00:00`).getTime();
  let [low, high] = [0, chat.count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (new Date(itemAt(chat, middle)!.time).getTime() < time) low = middle + 1;
    else high = middle;
  }
  return Math.min(low, chat.count - 1);
}

// ------------------------------------------------------------------ search

async function find(words: string): Promise<void> {
  const mine = ++searching;
  if (words === "") return showChats();
  const results = part("div", "", "");
  const state = part("p", "quiet", "Searching…");
  state.setAttribute("role", "status");
  state.style.padding = "0 1rem";
  nav.replaceChildren(state, results);
  let count = 0;
  let since = performance.now();
  for (const chat of chats) {
    for (const block of chat.blocks.toReversed()) {
      if (performance.now() - since > SEARCH_SLICE_MS) {
        await new Promise((resolve) => setTimeout(resolve));
        if (mine !== searching) return;
        since = performance.now();
      }
      const items = itemsOf(block);
      for (let index = items.length - 1; index >= 0; index--) {
        const item = items[index]!;
        if (item.type !== "message") continue;
        const text = [item.text, ...item.files.map(({ name }) => name)].find((each) => each.toLowerCase().includes(words));
        if (text === undefined) continue;
        count++;
        if (count <= FOUND_AT_MOST) results.append(foundButton(chat, item, block.first + index, text, words));
      }
    }
  }
  const most = count > FOUND_AT_MOST ? `, ${FOUND_AT_MOST} of them shown` : "";
  state.textContent = count === 0 ? "Nothing was found." : `${counted(count, "message")} found${most}`;
}

/** @param text where the words were found: the message's own, or the name of a file */
function foundButton(chat: Chat, item: ExportedMessage, at: number, text: string, words: string): HTMLElement {
  const button = part("button", "found", "");
  const start = text.toLowerCase().indexOf(words);
  const end = start + words.length;
  const from = Math.max(0, start - 30);
  const snippet = part("bdi", "", from > 0 ? "…" : "");
  snippet.append(
    harmless(text.slice(from, start)),
    part("mark", "", harmless(text.slice(start, end))),
    harmless(text.slice(end, end + 80)),
  );
  button.append(
    part("span", "title", harmless(chat.conversation.title)),
    part("span", "quiet", `${harmless(item.from)}, ${dayOf(item.time)}: `),
    snippet,
  );
  button.addEventListener("click", () => open(chat, at, true));
  return button;
}

function showChats(): void {
  nav.replaceChildren(aboutButton, ...chats.map(({ button }) => button));
}

// ------------------------------------------------------------------ about the export

const aboutButton = document.createElement("button");
aboutButton.append(part("span", "title", "About this export"), part("span", "quiet", "contacts, devices, groups, what is missing"));
aboutButton.addEventListener("click", showAbout);

function table(title: string, columns: readonly string[], rows: readonly (readonly string[])[]): HTMLElement[] {
  if (rows.length === 0) return [];
  const made = document.createElement("table");
  const line = (tag: "th" | "td", cells: readonly string[]) => {
    const row = document.createElement("tr");
    row.append(...cells.map((cell) => part(tag, "", harmless(cell))));
    return row;
  };
  made.append(line("th", columns), ...rows.map((cells) => line("td", cells)));
  return [part("h3", "", title), made];
}

function showAbout(): void {
  shown = undefined;
  about.hidden = false;
  scroll.hidden = true;
  date.hidden = true;
  place.textContent = "";
  heading.textContent = "About this export";
  for (const each of chats) each.button.removeAttribute("aria-current");
  const { account, contacts, devices, lists } = overview;
  const fileBytes = overview.conversations.reduce((sum, each) => sum + each.fileBytes, 0);
  const files = account.files === 0 ? "" : `, ${counted(account.files, "file")} (${sizeWords(fileBytes)})`;
  const facts = [
    `Everything that ${account.name} could read at ${account.gateway} on ${new Date(account.exported).toLocaleString()}.`,
    `${counted(account.conversations, "conversation")}, ${counted(account.messages, "message")}${files}.`,
  ];
  const pictures = chats.flatMap(({ conversation }) => {
    if (conversation.group?.picture === undefined) return [];
    const image = document.createElement("img");
    image.src = conversation.group.picture;
    image.alt = harmless(conversation.title);
    return [image];
  });
  about.replaceChildren(
    ...facts.map((fact) => part("p", "", harmless(fact))),
    ...account.missing.map((sentence) => part("p", "warning", sentence)),
    ...table(
      "Files that could not be had",
      ["name", "from", "in", "why"],
      account.missingFiles.map((each) => [each.name, each.from, each.title, whyMissing[each.missing]]),
    ),
    ...table(
      "Contacts",
      ["name", "safety number", "note"],
      contacts.map((each) => [each.name, each.verification, each.note]),
    ),
    ...table(
      "Devices",
      ["name", "state", "added"],
      devices.map((each) => [each.name, each.state, each.added === null ? "" : dayOf(each.added)]),
    ),
    ...table(
      "Lists",
      ["name", "people"],
      lists.map((each) => [each.name, each.people.join(", ")]),
    ),
    ...table(
      "Drafts",
      ["to", "text"],
      overview.conversations.filter(({ draft }) => draft !== "").map((each) => [each.title, each.draft]),
    ),
    ...overview.conversations.flatMap(({ title, group }) =>
      group === undefined
        ? []
        : table(
            harmless(title),
            ["member", "role", "safety number"],
            group.members.map((each) => [each.name, each.role, each.verification]),
          ),
    ),
    ...pictures,
  );
}

// ------------------------------------------------------------------ what is there, keys and clicks

const overview = parsed<ExportOverview>(document.querySelector<HTMLElement>("script[data-overview]")!);
const chats = overview.conversations.map(readChat);

for (const chat of chats) chat.button.addEventListener("click", () => open(chat));
scroll.addEventListener("scroll", grow, { passive: true });
date.addEventListener("change", () => {
  if (shown !== undefined && date.value !== "" && shown.chat.count > 0) open(shown.chat, placeOfDay(shown.chat, date.value));
});
let typing: ReturnType<typeof setTimeout> | undefined;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => void find(search.value.toLowerCase()), SEARCH_DELAY_MS);
});
document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (key === "/" && target !== search && target !== date) {
    event.preventDefault();
    search.focus();
  } else if (key === "Escape" && search.value !== "") {
    search.value = "";
    void find("");
    search.focus();
  } else if (key === "ArrowDown" || key === "ArrowUp") {
    const buttons = [...nav.querySelectorAll("button")];
    const at = buttons.indexOf(target as HTMLButtonElement);
    if (at < 0 && target !== search) return;
    event.preventDefault();
    const next = buttons[at + (key === "ArrowDown" ? 1 : -1)];
    (next ?? (at <= 0 ? search : buttons[at]!)).focus();
  } else if ((key === "Home" || key === "End") && shown !== undefined && target !== search && target !== date) {
    event.preventDefault();
    if (key === "End") return open(shown.chat);
    open(shown.chat, 0);
  }
});

byId("owner").textContent = harmless(`${overview.account.name}'s messages`);
document.title = harmless(`${overview.account.name}'s messages`);
showChats();
if (chats[0] === undefined) showAbout();
else open(chats[0]);
