/** The demo's `clock` tool: the time in a zone, by the platform's own time zone data. */

/** The zone is unknown. The message can be shown. */
export class UnknownZone extends Error {
  override readonly name = "UnknownZone";
}

export interface ZoneTime {
  readonly zone: string;
  /** As in `10:52`. */
  readonly time: string;
  /** As in `Saturday, 21 November 2026`. */
  readonly date: string;
  /** As in `GMT+9`. */
  readonly offset: string;
}

/** Places people ask for by a name that their zone does not have. */
const elsewhere: Readonly<Record<string, string>> = {
  beijing: "Asia/Shanghai",
  boston: "America/New_York",
  california: "America/Los_Angeles",
  delhi: "Asia/Kolkata",
  geneva: "Europe/Zurich",
  india: "Asia/Kolkata",
  japan: "Asia/Tokyo",
  miami: "America/New_York",
  mumbai: "Asia/Kolkata",
  munich: "Europe/Berlin",
  "san francisco": "America/Los_Angeles",
  seattle: "America/Los_Angeles",
  utc: "UTC",
  gmt: "UTC",
  washington: "America/New_York",
};

let places: ReadonlyMap<string, string> | undefined;

/** City names in lower case, as the time zone database has them, and the zone of each. */
function knownPlaces(): ReadonlyMap<string, string> {
  places ??= new Map([
    ...Intl.supportedValuesOf("timeZone").map((zone): [string, string] => [
      (zone.split("/").at(-1) ?? zone).replaceAll("_", " ").toLowerCase(),
      zone,
    ]),
    // Zones that the list names by their older city.
    ["kolkata", "Asia/Kolkata"],
    ["kyiv", "Europe/Kyiv"],
    ...Object.entries(elsewhere),
  ]);
  return places;
}

/** The zones of all places that a text names, in its order. */
export function zonesIn(text: string): { readonly place: string; readonly zone: string }[] {
  const words = text.match(/[\p{L}']+/gu) ?? [];
  const found: { place: string; zone: string }[] = [];
  const longestName = 3;
  for (let at = 0; at < words.length; at += 1) {
    for (let length = longestName; length > 0; length -= 1) {
      const place = words.slice(at, at + length).join(" ");
      const zone = knownPlaces().get(place.toLowerCase());
      if (zone === undefined || words.length < at + length) continue;
      if (!found.some((other) => other.zone === zone)) found.push({ place, zone });
      at += length - 1;
      break;
    }
  }
  return found;
}

/**
 * The time in a zone (`Asia/Tokyo`) or a city (`Tokyo`).
 *
 * Fails: `UnknownZone`.
 */
export function timeIn(zoneOrCity: string, now: Date): ZoneTime {
  const zone = knownPlaces().get(zoneOrCity.trim().toLowerCase()) ?? zoneOrCity.trim();
  const format = (options: Intl.DateTimeFormatOptions) => {
    try {
      return new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options });
    } catch {
      throw new UnknownZone(`no time zone is called "${zoneOrCity.slice(0, 60)}"`);
    }
  };
  const offset = format({ timeZoneName: "shortOffset" }).formatToParts(now);
  return {
    zone,
    time: format({ hour: "2-digit", minute: "2-digit" }).format(now),
    date: format({ dateStyle: "full" }).format(now),
    offset: offset.find(({ type }) => type === "timeZoneName")?.value ?? "",
  };
}
