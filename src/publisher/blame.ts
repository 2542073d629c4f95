/**
 * Whose event a refusal is about: the answer counts through the whole request, the caller through their own call.
 */
import type { PublishFailure } from "./publish-failure.ts";
import { Contaminated, IllegalTransition, InvalidInput, KeyConflict } from "./publish-failure.ts";
import type { Said } from "./said.ts";

export interface Blamed {
  readonly call: Said;
  /** The same, with places counted within the call. */
  readonly failure: PublishFailure;
}

const placePattern = /^events\[(\d+)\]/;

function indexOf(request: readonly Said[], failure: PublishFailure): number | undefined {
  if (failure instanceof IllegalTransition) return failure.index;
  if (failure instanceof Contaminated || failure instanceof InvalidInput) {
    const index = placePattern.exec(failure.path)?.[1];
    return index === undefined ? undefined : Number(index);
  }
  if (!(failure instanceof KeyConflict)) return undefined;
  const at = request.flatMap(({ events }) => events).findIndex(({ key }) => key === failure.key);
  return at === -1 ? undefined : at;
}

function moved(failure: PublishFailure, index: number): PublishFailure {
  if (failure instanceof IllegalTransition) return failure.copy({ index });
  if (failure instanceof Contaminated || failure instanceof InvalidInput)
    return failure.copy({ path: failure.path.replace(placePattern, `events[${index}]`) });
  return failure;
}

/** Undefined: it is about the request as a whole. */
export function blamed(request: readonly Said[], failure: PublishFailure): Blamed | undefined {
  let index = indexOf(request, failure);
  if (index === undefined) return undefined;
  for (const call of request) {
    if (index < call.events.length) return { call, failure: moved(failure, index) };
    index -= call.events.length;
  }
  return undefined;
}
