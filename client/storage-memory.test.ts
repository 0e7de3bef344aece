import { describe, test } from "vitest";
import { storageContract } from "./storage-contract.ts";
import { MemoryPlace, openMemoryStorage } from "./storage-memory.ts";

describe("storage contract, memory", () => {
  test.each(storageContract)("$title", async (contract) => {
    const places = new Map<string, MemoryPlace>();
    const open = async (name: string) => {
      const place = places.get(name) ?? new MemoryPlace();
      places.set(name, place);
      return openMemoryStorage(place);
    };
    await contract.run({ open }, "contract");
  });
});
