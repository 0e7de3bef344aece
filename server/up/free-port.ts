const PORTS_TO_TRY = 100;

/** Starts something on the first free port from `port` on; 0 takes any. */
export async function onFreePort<Started>(port: number, start: (port: number) => Promise<Started>): Promise<Started> {
  for (let tries = 0; ; tries++) {
    try {
      return await start(port === 0 ? 0 : port + tries);
    } catch (error) {
      const taken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      if (!taken || port === 0 || tries >= PORTS_TO_TRY || port + tries >= 65_535) throw error;
    }
  }
}
