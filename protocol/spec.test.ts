import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const spec = readFileSync(join(import.meta.dirname, "SPEC.md"), "utf8");
const rules = [...spec.matchAll(/^- \*\*\[([A-Z]\d+)\]\*\*/gm)].map(([, rule]) => rule!);

/** The text of every file of these kinds that people wrote. */
function sources(extensions: string): readonly (readonly [path: string, text: string])[] {
  const exclude = (path: string) => /(?:^|\/)(?:node_modules|dist|generated|\..*)$/.test(path);
  return globSync(`**/*.{${extensions}}`, { cwd: root, exclude }).map((path) => [path, readFileSync(join(root, path), "utf8")] as const);
}

test("every rule has one number, and the numbers of a letter have no gap", () => {
  expect(new Set(rules).size).toBe(rules.length);
  for (const letter of new Set(rules.map((rule) => rule[0]!))) {
    const numbers = rules.filter((rule) => rule[0] === letter).map((rule) => Number(rule.slice(1)));
    const missing = Array.from({ length: Math.max(...numbers) }, (_, index) => index + 1).filter((number) => !numbers.includes(number));
    expect(missing.map((number) => `${letter}${number}`)).toEqual([]);
  }
});

test("every rule that code, tests and pages quote is in SPEC.md, and so is each end of a range", () => {
  const known = new Set(rules);
  const files = sources("ts,tsx,proto,md");
  expect(files.length).toBeGreaterThan(200);
  const unknown = files.flatMap(([path, text]) =>
    [...text.matchAll(/\[([ACDEGHLPSW]\d{1,2})\](?!\()/g)].filter(([, rule]) => !known.has(rule!)).map(([quoted]) => `${path}: ${quoted}`),
  );
  expect(unknown).toEqual([]);
});

test("a range of rules runs upwards within one letter", () => {
  const ranges = [...spec.matchAll(/\[([A-Z])(\d+)\]–\[([A-Z])(\d+)\]/g)];
  expect(ranges.length).toBeGreaterThan(0);
  for (const [range, letter, from, lastLetter, to] of ranges) {
    expect([range, lastLetter, Number(to) > Number(from)]).toEqual([range, letter, true]);
  }
});

/** Titles of tests, and names of attacks in the evil server's table. */
function titles(): string[] {
  const named =
    /(?:\btest(?:\.\w+)*(?:\([^()]*(?:\([^()]*\))?[^()]*\))?|\b(?:tampered|damaged|changed))\(\s*(["'`])(.*?)\1|\battack: (["'`])(.*?)\3/g;
  return sources("ts,tsx")
    .filter(([path]) => path.endsWith(".test.ts") || path.startsWith("testing/evil/"))
    .flatMap(([, text]) => [...text.matchAll(named)].map(([, , title, , attack]) => (title ?? attack)!.toLowerCase()));
}

test("every attack in SPEC.md has a test with its name", () => {
  const list = spec.slice(spec.indexOf("\n## Attacks\n")).split("\n- ").slice(1);
  const attacks = list
    .flatMap((group) => group.slice(group.indexOf(":") + 1).split("·"))
    .map((attack) => attack.replaceAll(/\s+/g, " ").trim());
  expect(attacks.length).toBeGreaterThan(30);
  const all = titles();
  const isNamed = (attack: string) => all.some((title) => new RegExp(`\\b${attack.toLowerCase()}\\b`).test(title));
  expect(attacks.filter((attack) => !isNamed(attack))).toEqual([]);
});
