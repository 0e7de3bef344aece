/**
 * Runs one at a time: what is asked for while it runs makes it run once more, however often that was. A flood of changes costs as many
 * readings as there is time for.
 */
export function atMostOnce(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let isWanted = false;
  const go = async (): Promise<void> => {
    do {
      isWanted = false;
      await run();
    } while (isWanted);
  };
  return () => {
    isWanted = true;
    running ??= go().finally(() => {
      running = undefined;
    });
    return running;
  };
}
