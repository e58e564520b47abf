/** Lists that mostly hold nothing or one. */

/** Shared by all that hold nothing. */
export const NONE: never[] = [];

/** The list with one more. The first gets a list of its own, which has room for no other: one that is pushed to has room for many. */
export function added<T>(list: T[], item: T): T[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}
