/** Lists that mostly hold nothing or one. */

/** Shared by all that hold nothing. */
export const NONE: never[] = [];

/** The list with one more. The first gets a list of its own, which has room for no other: one that is pushed to has room for many. */
export function added<T>(list: T[], item: T): T[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}

/** Takes an item out of a short list, in place: `splice()` would make another. */
export function remove<T>(list: T[], item: T): void {
  const index = list.indexOf(item);
  if (index < 0) return;
  for (let at = index + 1; at < list.length; at++) list[at - 1] = list[at]!;
  list.pop();
}
