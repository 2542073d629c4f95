/** Who follows a stream on a log that others write to: counted from the call on, and gone once, whether it leaves or never came. */

/** Fails with what `join` fails with; then it does not follow. `onLast`: nobody follows any more. */
export async function following(
  followed: { count: number },
  join: () => Promise<unknown>,
  onLast: () => void,
): Promise<() => void> {
  followed.count += 1;
  let isGone = false;
  const leave = (): void => {
    if (isGone) return;
    isGone = true;
    followed.count -= 1;
    if (followed.count === 0) onLast();
  };
  try {
    await join();
    return leave;
  } catch (cause) {
    leave();
    throw cause;
  }
}
