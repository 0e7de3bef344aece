import { safeLine } from "../safe-text.ts";
import { percent, sizeWords } from "../words.ts";
import { pixelWords } from "./picture-block.ts";
import { type Row, span, spread } from "./rows.ts";
import { type State, openChat } from "./state.ts";

/** What is attached, a row each. */
export function attachedRows(state: State): readonly Row[] {
  return (openChat(state)?.attached ?? []).map(({ file, sentAs, metadata }) => {
    const { width = 0, height = 0, source } = file;
    const name: Row = [span(" + ", "accent"), span(safeLine(source.name))];
    const bytes = sizeWords(source.size);
    if (sentAs === "image") return [...name, span(`  ${pixelWords({ width, height })}, ${bytes}, without place and camera`, "dim")];
    if (metadata === undefined) return [...name, span(`  ${bytes}`, "dim")];
    const words = metadata === "picture" ? "may tell where it was taken: /image does not" : "may tell where it was recorded";
    return [...name, span(`  ${bytes}, `, "dim"), span(words, "warning")];
  });
}

/** What takes its time, and how far it is. */
export function transferRow(state: State, width: number): Row {
  const { words, done, total } = [...state.transfers.values()].at(-1)!;
  const far = total === 0 ? "…" : `  ${percent(done, total)} of ${sizeWords(total)}`;
  return spread([span(` ${safeLine(words)}`, "accent"), span(far, "accent")], [span(" Esc stops ", "dim")], width);
}
