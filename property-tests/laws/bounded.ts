/**
 * L11: bounded. Whatever a reader does or leaves undone, what one connection holds back on its behalf stays within its
 * window, and nothing is handed to a socket that holds too much already.
 */
import { expect } from "vitest";
import type { Device } from "../support/device.ts";
import type { Law } from "../support/law.ts";

/** What is on its way to a device, unacknowledged, before its last frame and with it. */
function underWay(device: Device): { readonly events: number; readonly bytesBeforeLast: number } {
  const { transport, ackedUpto } = device;
  let events = 0;
  let bytes = 0;
  let lastBytes = 0;
  for (const [index, frame] of (transport?.frames ?? []).entries()) {
    if (frame.type !== "events" || frame.upto <= ackedUpto || frame.events.length === 0) continue;
    events += frame.events.filter(({ offset }) => offset > ackedUpto).length;
    // How the bytes of a frame that is acknowledged in part are shared out is an estimate of the outbox.
    if (frame.after < ackedUpto) continue;
    lastBytes = transport?.raw[index]?.bytes.length ?? 0;
    bytes += lastBytes;
  }
  return { events, bytesBeforeLast: bytes - lastBytes };
}

export function bounded(): Law {
  let filled = 0;
  return {
    watch: (world, { windowEvents, windowBytes }) => ({
      look: () => {
        for (const device of world.devices) {
          const { events, bytesBeforeLast } = underWay(device);
          expect(events).toBeLessThanOrEqual(windowEvents);
          // The frame that fills the window is its last.
          expect(bytesBeforeLast).toBeLessThan(windowBytes);
          if (events === windowEvents) filled += 1;
        }
      },
    }),
    proves: () => expect(filled, "no window was ever full: the search proves nothing").toBeGreaterThan(0),
  };
}
