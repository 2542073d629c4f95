/** Packages that only some channels need: loaded when such a one is configured, or named when they are missing. */
import { InvalidConfig } from "../errors.ts";

/**
 * Loads a package for the setting that asks for it.
 *
 * Fails: `InvalidConfig` with what to install.
 */
export async function optionalPeer<Module>(
  name: string,
  setting: string,
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    if (Reflect.get(Object(cause), "code") !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new InvalidConfig({ setting, message: `needs the package ${name}: npm install ${name}` });
  }
}
