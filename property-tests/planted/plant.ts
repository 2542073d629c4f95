/**
 * Plants one bug as its files are loaded (`node --import …/plant.ts`, the bug's name in `PLANTED_BUG`). The files
 * themselves stay as they are. A place that is no longer there ends the process: a bug that was not planted must not
 * pass for one that was not found.
 */
import { registerHooks } from "node:module";
import { env, exit } from "node:process";
import { fileURLToPath } from "node:url";
import { plantedBugs } from "./bugs.ts";

const notPlantedExit = 3;
const root = fileURLToPath(new URL("../../", import.meta.url));
const bug = plantedBugs.find(({ name }) => name === env["PLANTED_BUG"]);
if (bug === undefined) refuse(`"${env["PLANTED_BUG"]}" is no planted bug`);
const edits = bug?.edits ?? [];

function refuse(why: string): never {
  console.error(`not planted: ${why}`);
  exit(notPlantedExit);
}

registerHooks({
  load: (url, context, next) => {
    const loaded = next(url, context);
    const file = url.startsWith(`file://${root}`) ? url.slice(`file://${root}`.length) : undefined;
    const here = edits.filter((edit) => edit.file === file);
    if (here.length === 0) return loaded;
    let source = typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source as Buffer);
    for (const { find, replace } of here) {
      const parts = source.split(find);
      if (parts.length !== 2) refuse(`${file} has ${parts.length - 1} times: ${find}`);
      source = parts.join(replace);
    }
    return { ...loaded, source };
  },
});
