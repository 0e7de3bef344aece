import { ErrorCode, errorRow } from "@fastchat/protocol";
import { expect, test } from "vitest";
import { withPatience } from "./place.ts";

test("what refuses is told in its own words", async () => {
  const patience = { milliseconds: 0, gateway: "http://127.0.0.1:8080" };
  const said = (sentence: string) =>
    withPatience(patience, async () => ({ kind: "refused", code: ErrorCode.SIGNATURE_INVALID, sentence }) as const);
  await expect(said("Nothing of it was used.")).rejects.toMatchObject({ row: { sentence: "Nothing of it was used." } });
  const { sentence } = errorRow(ErrorCode.SIGNATURE_INVALID);
  await expect(said(sentence)).rejects.toMatchObject({ code: ErrorCode.SIGNATURE_INVALID, row: { sentence } });
  // Also where there are no services any more, and something was done before.
  const lost = withPatience(patience, async () => ({ kind: "refused", code: ErrorCode.NO_SERVER, sentence: "It is set." }) as const);
  await expect(lost).rejects.toMatchObject({ row: { sentence: "It is set." } });
});
