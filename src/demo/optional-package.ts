/** The demo's AI packages are no dependencies of Runcast: they are loaded when they are needed, or named when missing. */

/** A package the demo needs is not installed. */
export class MissingPackage extends Error {
  override readonly name = "MissingPackage";
}

/** Loads a package. Fails: `MissingPackage`, with what to install. */
export async function optionalPackage<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if (Reflect.get(Object(error), "code") !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new MissingPackage(`the demo agent needs the package ${name}: npm install ${name}`);
  }
}
