import { Box, Text, useCursor, useInput, usePaste, useWindowSize } from "ink";
import { memo, useEffect, useSyncExternalStore } from "react";
import type { Frame } from "./frame.ts";
import { frameOf } from "./frame.ts";
import { keysOf } from "./input.ts";
import type { Key } from "./keys.ts";
import { paint } from "./rows.ts";
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

export function ChatScreen({ store }: { readonly store: Store }) {
  const state = useSyncExternalStore(store.subscribe, store.state);
  const { columns, rows } = useWindowSize();
  useEffect(() => store.appear(), [store]);
  useEffect(() => store.dispatch({ kind: "resize", columns, rows }), [store, columns, rows]);
  useKeys(
    (key) => store.dispatch({ kind: "key", key, now: Date.now() }),
    (text) => store.dispatch({ kind: "paste", text, now: Date.now() }),
  );
  return (
    <Screen frame={frameOf(state.columns === columns && state.rows === rows ? state : { ...state, columns, rows })} colour={state.colour} />
  );
}
