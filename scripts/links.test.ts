import { globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..");

/** As GitHub makes them of headings: lower case, no punctuation, dashes for spaces. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, text]) => text!.toLowerCase());
  return new Set(headings.map((text) => text.replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")));
}

function brokenLinks(path: string): string[] {
  const text = readFileSync(path, "utf8").replaceAll(/^```.*?^```/gms, "");
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link]) => link!)
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : resolve(dirname(path), file);
      const found = statSync(target, { throwIfNoEntry: false });
      if (found === undefined || relative(root, target).startsWith("..")) return true;
      return anchor !== undefined && !anchorsOf(readFileSync(target, "utf8")).has(anchor);
    });
}

const pages = [
  "README.md",
  "CHANGELOG.md",
  "protocol/SPEC.md",
  "bench/README.md",
  "testing/README.md",
  ...globSync("docs/**/*.md", { cwd: root }),
];

test.each(pages)("every link of %s leads somewhere", (page) => {
  expect(brokenLinks(join(root, page))).toEqual([]);
});
