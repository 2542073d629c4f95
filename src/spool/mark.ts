/**
 * What a store's last process was doing with its spool, in one byte of a file that was made beforehand: it is overwritten in
 * place, which a full disk lets us do, and says at the next start whether events may wait in the spool, and whether events
 * were handed out that nothing durable held.
 */
import { mkdir, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { InvalidConfig } from "../errors.ts";

const states = { clean: "0", spooling: "1", direct: "2" } as const;

/** `direct`: events without durability were handed out, and not all of them were written since. */
export type SpoolState = keyof typeof states;

export interface SpoolMark {
  /** What the process before this one has left. */
  readonly before: SpoolState;
  /** Resolves when it stands in the file, there for whoever starts after this process was killed. Fails: it does not. */
  write(state: SpoolState): Promise<void>;
  close(): Promise<void>;
}

const stateIn = (text: string): SpoolState | undefined =>
  (Object.keys(states) as SpoolState[]).find((state) => states[state] === text);

/** Undefined: there is no such file. */
export async function readSpoolState(path: string): Promise<SpoolState | undefined> {
  const text = await readFile(path, "latin1").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw cause;
  });
  return text === undefined ? undefined : (stateIn(text.slice(0, 1)) ?? "clean");
}

/** Fails: `InvalidConfig` when the file cannot be made. */
export async function openSpoolMark(path: string): Promise<SpoolMark> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, "r+").catch(() => open(path, "w+", 0o600));
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, 0);
    const text = buffer.toString("latin1", 0, bytesRead);
    const before = stateIn(text) ?? "clean";
    const write = async (state: SpoolState): Promise<void> => {
      await file.write(states[state], 0, "latin1");
      // For a power cut. A killed process has left it to the kernel, which is enough; a disk that fails may say no.
      await file.datasync().catch(() => {});
    };
    if (bytesRead === 0) await write("clean");
    return { before, write, close: () => file.close() };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new InvalidConfig({ setting: "spool", message: `needs the file ${path}, which cannot be used: ${why}` });
  }
}
