/** Makes a schedule that shows a finding as plain as it goes: fewer twists, fewer steps out of order. */
import { type Schedule, withoutTail } from "./schedule.ts";

/** Plays that one finding may cost. */
const maxTries = 40;

/** `shows`: whether the finding is still there. Shape: a schedule that shows it. */
export async function shrink(first: Schedule, shows: (schedule: Schedule) => Promise<boolean>): Promise<Schedule> {
  let best = first;
  let tries = 0;
  const better = async (candidate: Schedule): Promise<boolean> => {
    if (tries >= maxTries) return false;
    tries += 1;
    if (!(await shows(candidate))) return false;
    best = candidate;
    return true;
  };
  await better({ ...best, choices: [] });
  for (const twist of best.twists) await better({ ...best, twists: best.twists.filter((each) => each !== twist) });
  // Halves first, then smaller blocks: most choices do not matter.
  for (let block = Math.ceil(best.choices.length / 2); block >= 1; block = block === 1 ? 0 : Math.ceil(block / 2)) {
    for (let start = 0; start < best.choices.length; start += block) {
      const plain = best.choices.map((choice, index) => (index >= start && index < start + block ? 0 : choice));
      if (plain.some((choice, index) => choice !== best.choices[index])) await better({ ...best, choices: plain });
    }
  }
  return { ...best, choices: withoutTail(best.choices) };
}
