import { lengthWords, parseCount } from "../../durations.ts";
import { ourCommand } from "../../config.ts";
import { usage } from "../../failure.ts";
import { openFilesAdmin } from "../../roles.ts";
import { safeLine } from "../../safe-text.ts";
import { plural, sizeWords } from "../../words.ts";
import { command, type CommandContext } from "../command.ts";
import { column } from "../words.ts";

type Admin = Awaited<ReturnType<typeof openFilesAdmin>>;
type CleanedUp = Awaited<ReturnType<Admin["cleanUp"]>>;
type Reason = keyof CleanedUp["by"];

export const files = command({
  name: "files",
  description: "What the server keeps of files, and what it need not keep; for whoever runs it",
  isOperators: true,
  args: {
    data: { type: "string", valueHint: "DIR", description: "Folder that holds the whole state" },
    top: { type: "string", valueHint: "N", description: "How many accounts to list, those with most first (10)" },
    "clean-up": { type: "boolean", description: "Remove what no message needs any more, now" },
    "dry-run": { type: "boolean", description: "With --clean-up: only say what would be removed" },
  },
  async run({ output }, args) {
    const isCleaning = args["clean-up"] === true;
    const isDry = args["dry-run"] === true;
    if (isDry && !isCleaning) throw usage("--dry-run goes with --clean-up.");
    if (isCleaning && args.top !== undefined) throw usage("--top and --clean-up exclude each other: choose one.");
    const accounts = args.top === undefined ? 10 : parseCount(args.top, "top");
    await using admin = await openFilesAdmin(args.data);
    await (isCleaning ? cleanUp(output, admin, isDry) : look(output, admin, accounts));
  },
});

async function look(output: CommandContext["output"], admin: Admin, most: number): Promise<void> {
  const { whole, uploads, accounts } = await admin.look(most);
  const { largest, quota, retentionMs } = admin.rules;
  const retentionDays = retentionMs / 86_400_000;
  const under = uploads.blobs === 0 ? "" : `; ${plural(uploads.blobs, "upload")} not finished, of ${sizeWords(uploads.bytes)}`;
  await output.print(
    {
      type: "stored-files",
      files: whole.blobs,
      bytes: whole.bytes,
      uploads: uploads.blobs,
      uploadBytes: uploads.bytes,
      largest,
      quota,
      retentionDays,
    },
    `${plural(whole.blobs, "file")}, ${sizeWords(whole.bytes)}${under}.\n${rulesWords(admin.rules)}`,
  );
  for (const { name, blobs, bytes } of accounts)
    await output.print(
      { type: "account-files", name, files: blobs, bytes },
      `  ${column(safeLine(name), 32)}  ${column(sizeWords(bytes), 8)}  ${plural(blobs, "file")}`,
    );
}

function rulesWords({ largest, quota, retentionMs }: Admin["rules"]): string {
  const account = quota === 0 ? "none" : sizeWords(quota);
  const kept = retentionMs === 0 ? "kept as long as their messages" : `removed after ${lengthWords(retentionMs / 1_000)}`;
  return `Limits: ${sizeWords(largest)} for a file, ${account} for all of an account; files are ${kept}.`;
}

async function cleanUp(output: CommandContext["output"], admin: Admin, dryRun: boolean): Promise<void> {
  const { blobs, bytes, by } = await admin.cleanUp({ dryRun });
  const what = blobs === 0 ? "nothing" : `${plural(blobs, "file")}, ${sizeWords(bytes)}`;
  const reasons = Object.entries(by) as [Reason, { readonly blobs: number; readonly bytes: number }][];
  await output.print(
    {
      type: "files-clean-up",
      dryRun,
      files: blobs,
      bytes,
      reasons: Object.fromEntries(reasons.map(([reason, { blobs: count, bytes: size }]) => [reason, { files: count, bytes: size }])),
    },
    [
      `${dryRun ? "Would remove" : "Removed"} ${what}${blobs === 0 ? "." : ":"}`,
      ...reasons.map(
        ([reason, each]) => `  ${column(plural(each.blobs, "file"), 13)}  ${column(sizeWords(each.bytes), 8)}  ${reasonWords[reason]}`,
      ),
    ].join("\n"),
  );
  if (dryRun && blobs > 0) output.remark(`Nothing was removed: "${ourCommand} admin files --clean-up" does it.`);
}

const reasonWords: Readonly<Record<Reason, string>> = {
  erased: "their messages were deleted for everybody",
  "conversation-gone": "of accounts that were deleted",
  "not-sent": "uploads that were given up, or whose message never came",
  "too-old": "older than FASTCHAT_FILE_RETENTION_DAYS",
  unknown: "left by processes that were killed",
};
