import { cells, fit } from "../cells.ts";
import { fitName } from "../files/words.ts";
import type { PreparedFile } from "../files/to-send.ts";
import { safeLine } from "../safe-text.ts";
import { percent, sizeWords } from "../words.ts";
import { pixelWords } from "./picture-block.ts";
import { type Row, rowCells, span, spread } from "./rows.ts";
import { type State, openChat } from "./state.ts";

const MARK = " + ";
/** So much of a name is to be seen before more is said of a file. */
const NAME_CELLS = 16;

/** What is attached, a row each; of more than there is room for, the newest, and how many there are besides. */
export function attachedRows(state: State, width: number, most: number): readonly Row[] {
  const attached = openChat(state)?.attached ?? [];
  if (attached.length <= most) return attached.map((each) => attachedRow(each, width));
  const shown = attached.slice(-Math.max(1, most - 1));
  return [[span(`${MARK}${attached.length - shown.length} more`, "dim")], ...shown.map((each) => attachedRow(each, width))];
}

function attachedRow(prepared: PreparedFile, width: number): Row {
  const name = safeLine(prepared.file.source.name);
  const room = width - cells(MARK) - Math.min(cells(name), NAME_CELLS);
  const all = aboutRows(prepared);
  const about = all.find((each) => rowCells(each) <= room) ?? all.at(-1)!;
  return [span(MARK, "accent"), span(fitName(name, width - cells(MARK) - rowCells(about))), ...about];
}

/** What there is to say of it, in ever fewer words: what becomes of a picture is left out last. */
function aboutRows({ file, sentAs, metadata }: PreparedFile): readonly Row[] {
  const { width = 0, height = 0, source } = file;
  const bytes = `  ${sizeWords(source.size)}`;
  if (sentAs === "image") {
    const without = "without place and camera";
    return [
      [span(`  ${pixelWords({ width, height })}, ${sizeWords(source.size)}, ${without}`, "dim")],
      [span(`${bytes}, ${without}`, "dim")],
    ];
  }
  if (metadata === undefined) return [[span(bytes, "dim")]];
  const told = metadata === "picture" ? "may tell where it was taken" : "may tell where it was recorded";
  return [...(metadata === "picture" ? [`${told}: /image does not`] : []), told].map((words): Row => [
    span(`${bytes}, `, "dim"),
    span(words, "warning"),
  ]);
}

/** What takes its time, and how far it is. */
export function transferRow(state: State, width: number): Row {
  const { words, done, total } = [...state.transfers.values()].at(-1)!;
  const far = total === 0 ? "…" : `  ${percent(done, total)} of ${sizeWords(total)}`;
  const stops = " Esc stops ";
  const shown = fit(` ${safeLine(words)}`, width - cells(far) - cells(stops));
  return spread([span(shown, "accent"), span(far, "accent")], [span(stops, "dim")], width);
}
