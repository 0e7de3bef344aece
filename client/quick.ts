import type { OpenOptions, QuickOptions, QuickResult } from "./api.ts";
import { openClientOn } from "./client.ts";
import { memoryStaging } from "./files/staging-memory.ts";
import type { ProfileLock } from "./lock.ts";
import { signIn } from "./new-device.ts";
import type { Platform } from "./platform.ts";
import { MemoryPlace, openMemoryStorage } from "./storage-memory.ts";

/** What a platform has apart from profiles. */
type MachinePart = Pick<Platform<unknown>, "onWake" | "clocks">;

/** [H5] A profile that lies in memory alone, of one client. */
function memoryPlatform(place: MemoryPlace, { onWake, clocks }: MachinePart): Platform<undefined> {
  const staging = memoryStaging();
  return {
    exists: async () => true,
    openStorage: async () => openMemoryStorage(place),
    lock: () => onlyHolder,
    staging: () => staging,
    erase: async () => place.values.clear(),
    onWake,
    clocks,
  };
}

/** Nobody else can open what lies in this process's memory. */
const held = { release: async () => undefined };
const onlyHolder: ProfileLock = { tryAcquire: async () => held, acquire: async () => held };

/** How one comes into a QuickChat session, on each platform. */
export const quickEntrance =
  (platform: MachinePart) =>
  async (options: QuickOptions, open: Omit<OpenOptions, "offline" | "gateway"> = {}): Promise<QuickResult> => {
    const place = new MemoryPlace();
    const result = await signIn(openMemoryStorage(place), options);
    if (result.kind !== "signed-in") return result;
    const client = await openClientOn(memoryPlatform(place, platform), undefined, { deviceName: () => "QuickChat", ...open, quick: true });
    if (client === undefined) throw new Error("a profile just made is not there");
    const { others } = result;
    return { kind: "open", client, ...(others !== undefined && { others }) };
  };
