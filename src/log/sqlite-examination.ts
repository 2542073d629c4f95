/** What is to be said of a SQLite store: its folder, its disk, who has it open, its schema, whether it is whole. */
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { failureOf } from "./sqlite-failure.ts";
import { SqliteLock } from "./sqlite-lock.ts";
import { schemaVersion } from "./sqlite-schema.ts";
import { fails, fine, type StoreFinding, warns } from "./store-finding.ts";

const lockWaitMs = 100;
const bytesInMebibyte = 2 ** 20;
const scarceMebibytes = 512;
const fullMebibytes = 32;
/** Of what `PRAGMA quick_check` finds. */
const maxFaults = 3;

export function examineSqlite(path: string): readonly StoreFinding[] {
  const folder = dirname(resolve(path));
  if (!existsSync(folder)) return [fails("sqlite.folder", `${folder} does not exist`, "make it")];
  return [...folderFindings(folder), ...(existsSync(path) ? fileFindings(path) : [newFile(path)])];
}

const newFile = (path: string): StoreFinding => fine("sqlite.file", `${path} is not there yet: the server makes it`);

function folderFindings(folder: string): StoreFinding[] {
  const { bavail, bsize } = statfsSync(folder);
  const free = Math.floor((bavail * bsize) / bytesInMebibyte);
  const room = `${free} MiB are free on its disk`;
  return [
    mayWrite(folder)
      ? fine("sqlite.folder", `${folder} can be written to`)
      : fails("sqlite.folder", `${folder} cannot be written to`, "give this user the right to write there"),
    free < fullMebibytes
      ? fails("sqlite.disk", room, "make room: a full disk takes no events")
      : free < scarceMebibytes
        ? warns("sqlite.disk", room, "make room, or keep events for less long")
        : fine("sqlite.disk", room),
  ];
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function fileFindings(path: string): StoreFinding[] {
  const findings: StoreFinding[] = [];
  if (!mayWrite(path))
    findings.push(fails("sqlite.file", `${path} is read-only`, "give this user the right to write it"));
  let database: DatabaseSync | undefined;
  try {
    findings.push(lockFinding(path));
    database = new DatabaseSync(path, { readOnly: true });
    findings.push(schemaFinding(database), wholeFinding(database, path));
  } catch (error) {
    const says = error instanceof Error ? error.message : String(error);
    const isForeign = failureOf(error) === "notADatabase";
    findings.push(
      fails("sqlite.file", `${path}: ${says}`, isForeign ? "it is no database" : "restore it from a backup"),
    );
  } finally {
    database?.close();
  }
  return findings;
}

/** Who holds it is a server, as it should be: only a second one is refused. */
function lockFinding(path: string): StoreFinding {
  // The lock's own file is made by who opens the store: an examination leaves none behind.
  if (!existsSync(`${path}.lock`)) return fine("sqlite.lock", "no process has it open");
  try {
    new SqliteLock({ path, lockWaitMs }).release();
    return fine("sqlite.lock", "no process has it open");
  } catch (error) {
    if (failureOf(error) !== "held") throw error;
    return warns("sqlite.lock", "another process has it open", "if that is not your server, end it: one may write");
  }
}

function schemaFinding(database: DatabaseSync): StoreFinding {
  const version = Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);
  const says = `schema version ${version}, this release knows ${schemaVersion}`;
  if (version > schemaVersion) return fails("sqlite.schema", says, "use a newer release");
  if (version === 0) return fails("sqlite.schema", "it is a database of another program", "name another file");
  return fine("sqlite.schema", version === schemaVersion ? says : `${says}: the server brings it up at its start`);
}

function wholeFinding(database: DatabaseSync, path: string): StoreFinding {
  const faults = database.prepare(`PRAGMA quick_check(${maxFaults})`).all() as { readonly quick_check: string }[];
  const size = `${Math.ceil(statSync(path).size / bytesInMebibyte)} MiB`;
  if (faults.length === 1 && faults[0]?.quick_check === "ok") return fine("sqlite.integrity", `${size}, and whole`);
  const told = faults.map((fault) => fault.quick_check).join("; ");
  return fails("sqlite.integrity", `it is damaged: ${told}`, "check disk and memory, and restore it from a backup");
}
