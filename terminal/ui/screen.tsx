import { Box, Text, useApp, useCursor, useInput, usePaste, useWindowSize } from "ink";
import { memo, useEffect, useLayoutEffect, useMemo, useSyncExternalStore } from "react";
import type { Frame } from "./frame.ts";
import { frameOf } from "./frame.ts";
import { keysOf } from "./input.ts";
import type { Key } from "./keys.ts";
import { viewDrawing } from "./picture-view.ts";
import { paint } from "./rows.ts";
import type { State } from "./state.ts";
import type { Store } from "./store.ts";

/** A row never wraps: what a terminal thinks wider than we do is cut, and disturbs no other row. */
const Line = memo(function Line({ text }: { readonly text: string }) {
  return <Text wrap="truncate">{text}</Text>;
});

/** One text per row is all that Ink lays out; it compares with the rows on the screen and writes what changed. */
export function Screen({ frame, colour }: { readonly frame: Frame; readonly colour: boolean }) {
  const { setCursorPosition } = useCursor();
  setCursorPosition(frame.cursor);
  return (
    <Box flexDirection="column" height={frame.rows.length}>
      {frame.rows.map((row, index) => (
        // Rows have no identity but their place.
        <Line key={index} text={paint(row, colour)} />
      ))}
    </Box>
  );
}

/** Keys and pastes, one after another, as they were typed. */
export function useKeys(press: (key: Key) => void, paste: (text: string) => void): void {
  useInput((input, ink) => {
    for (const key of keysOf(input, ink)) press(key);
  });
  usePaste(paste);
}

const ERASE_ALL = "\u001b[2J";

/**
 * Draws a picture over the rows that are kept empty for it, when they are on the screen. Takes it away before the next frame is painted,
 * which then is painted whole: Ink does not know what stands there.
 */
function useDrawing(state: State, terminal: PictureScreen): void {
  const { waitUntilRenderFlush } = useApp();
  const { overlay, columns, rows, pictureTerminal } = state;
  // oxlint-disable-next-line react/exhaustive-deps -- it depends on these alone, and is costly.
  const drawing = useMemo(() => ({ sequence: viewDrawing(state) }), [overlay, columns, rows, pictureTerminal]);
  useLayoutEffect(() => {
    const { sequence } = drawing;
    if (sequence === undefined) return undefined;
    let isOver = false;
    void waitUntilRenderFlush().then(() => {
      if (!isOver) terminal.write(sequence);
    });
    return () => {
      isOver = true;
      terminal.write(ERASE_ALL);
      terminal.clear();
    };
  }, [drawing, terminal, waitUntilRenderFlush]);
}

/** What draws over the text of the screen. */
export interface PictureScreen {
  readonly write: (sequence: string) => void;
  /** The next frame is painted whole. */
  readonly clear: () => void;
}

export function ChatScreen({ store, terminal }: { readonly store: Store; readonly terminal: PictureScreen }) {
  const state = useSyncExternalStore(store.subscribe, store.state);
  const { columns, rows } = useWindowSize();
  useEffect(() => store.appear(), [store]);
  useEffect(() => store.dispatch({ kind: "resize", columns, rows }), [store, columns, rows]);
  useKeys(
    (key) => store.dispatch({ kind: "key", key, now: Date.now() }),
    (text) => store.dispatch({ kind: "paste", text, now: Date.now() }),
  );
  const shown = state.columns === columns && state.rows === rows ? state : { ...state, columns, rows };
  useDrawing(shown, terminal);
  return <Screen frame={frameOf(shown)} colour={state.colour} />;
}
