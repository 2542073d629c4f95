/** What the examination says about the agent before and after: `node examples/test-your-agent/main.ts`. */
import { examineRunner } from "runcast/testing";
import * as after from "./after.ts";
import * as before from "./before.ts";

const search: before.Search = { flights: async () => "LH 864", hotels: async () => "Hotel Bristol" };

const first = await examineRunner((run) => before.planTrip(run, search), { schedules: 100 });
console.log(`before: ${first.text}`);
const second = await examineRunner((run) => after.planTrip(run, search), { schedules: 100 });
console.log(`after: ${second.text}`);
